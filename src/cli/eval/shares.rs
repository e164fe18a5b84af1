//! `wordloom eval --shares`: labels by what is learnt from shares of the items.

use std::io::Write;

use serde::Serialize;
use wordloom::Embeddings;
use wordloom::eval::{F1, Policy, Set, ShareOptions, ShareScores};

use crate::cli::show;

/// From which shares of the items labels are learnt.
#[derive(clap::Args)]
pub(super) struct Shares {
    /// Also learn labels from these shares of the items, and ask for the others, as papers on graphs
    /// do (0.1,0.5,0.9)
    #[arg(long, value_name = "SHARE,...", value_delimiter = ',', value_parser = share)]
    shares: Vec<f64>,
    /// How often the items are divided anew
    #[arg(long, value_name = "N", default_value_t = 10, requires = "shares", value_parser = clap::value_parser!(u32).range(1..=1000))]
    shuffles: u32,
}

/// The scores of a set.
#[derive(Serialize)]
pub(super) struct OfSet {
    set: String,
    scores: Vec<ShareScores>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| 0.0 < *share && *share < 1.0);
    share.ok_or_else(|| "give a share between 0 and 1".into())
}

impl Shares {
    /// The scores of the sets that have labels, if they are asked for.
    pub(super) fn of(&self, sets: &[Set], model: &Embeddings, policy: &Policy) -> Vec<OfSet> {
        if self.shares.is_empty() {
            return Vec::new();
        }
        let options =
            ShareOptions { shares: self.shares.clone(), shuffles: self.shuffles, seed: 1 };
        let of = |set: &Set| {
            let scores = set.at_shares(model, policy, &options)?;
            Some(OfSet { set: set.name.clone(), scores })
        };
        sets.iter().filter_map(of).collect()
    }

    /// Writes a table for each set.
    pub(super) fn print(&self, out: &mut impl Write, all: &[OfSet]) -> std::io::Result<()> {
        for OfSet { set, scores } in all {
            let shuffles = show::counted(self.shuffles.into(), "shuffle", "shuffles");
            writeln!(out, "{}: labels by shares of the items, {shuffles}", show::shown(set))?;
            writeln!(
                out,
                "  share  learnt   asked  number of labels known    labels more probable than not\n\
                 \x20                          micro F1     macro F1     micro F1     macro F1"
            )?;
            let score = |[mean, deviation]: [f64; 2]| {
                let spread = if deviation.is_nan() {
                    String::new()
                } else {
                    format!(" ±{:.1}", 100.0 * deviation)
                };
                format!("{:>5.1}{spread:<6}", 100.0 * mean)
            };
            for ShareScores { share, learnt, asked, number_known, threshold } in scores {
                let f1 = |f1: &F1| format!("{}  {}", score(f1.micro), score(f1.r#macro));
                let line = format!(
                    "  {share:>5}  {:>6}  {:>6}  {}  {}",
                    show::number(*learnt as u64),
                    show::number(*asked as u64),
                    f1(number_known),
                    f1(threshold)
                );
                writeln!(out, "{}", line.trim_end())?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
