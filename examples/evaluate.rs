//! Scores a model on sets of questions, with intervals:
//! `cargo run --release --example evaluate -- MODEL SET...`

use std::error::Error;
use std::path::PathBuf;

use wordloom::eval::{Policy, Set, SetOptions};
use wordloom::format;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let model = format::read(&arguments.next().ok_or("name a model and sets")?)?;
    let sets = Set::read(&arguments.collect::<Vec<_>>(), &SetOptions::default())?.sets;
    for set in &sets {
        let outcome = set.score(&model, &Policy::default());
        let intervals = outcome.intervals(10_000, 1);
        println!("{} ({}): {} of {} items", set.name, set.kind(), outcome.used(), outcome.total);
        println!("  {}", set.how);
        for (measure, [low, high]) in outcome.measures.iter().zip(intervals) {
            let score = outcome.value(measure);
            println!("  {:<20} {score:.3}  [{low:.3}, {high:.3}]", measure.name);
        }
    }
    Ok(())
}
