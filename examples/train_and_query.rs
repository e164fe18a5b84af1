//! Trains skip-gram on a text and asks for neighbours:
//! `cargo run --release --example train_and_query -- TEXT WORD`

use std::error::Error;
use std::path::Path;

use wordloom::corpus::{TextOptions, cache};
use wordloom::query::{Index, Query};
use wordloom::train::{Recipe, WindowConfig, train};
use wordloom::{Progress, format};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [text, word] = &arguments[..] else { return Err("name a text and a word".into()) };

    // The text is counted and encoded once; the next run finds it in the cache.
    let options = TextOptions { inputs: vec![text.into()], ..TextOptions::default() };
    let (corpus, _) = cache::corpus(&options, &cache::directory(), &Progress::default())?;
    println!("{} words, {} of them different", corpus.facts.words_read, corpus.facts.types_read);

    let recipe = Recipe::SkipGram(WindowConfig { dim: 100, epochs: 5, ..WindowConfig::default() });
    let model = train(&corpus, &recipe, &Progress::default())?;

    let query = Query::word(&model, word)?;
    for near in &Index::new(&model).nearest(&[query], 10)[0] {
        println!("{:.4}  {}", near.score, model.vocab.text(near.id));
    }

    let file = Path::new("my.safetensors");
    format::write(&model, file, format::Format::to_write(file, None, false)?)?;
    println!("the model is in {}", file.display());
    Ok(())
}
