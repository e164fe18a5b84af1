//! `wordloom odd-one-out`: the word that fits the others least.

use std::process::ExitCode;

use serde_json::{Map, Value, json};
use wordloom::query;
use wordloom::{Embeddings, Result};

use super::{Answering, QueryOptions, asked, expect};
use crate::cli::show;

const EXAMPLES: &str = "Examples:
  wordloom odd-one-out my.safetensors breakfast cereal dinner lunch
  wordloom odd-one-out my.safetensors --json < groups.txt";

/// Find the word that fits the others least
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "wordloom odd-one-out [OPTIONS] <MODEL> [WORD WORD WORD...]")]
pub(crate) struct OddOneOut {
    #[command(flatten)]
    asking: QueryOptions,
    /// Three words or more; without any, lines of words are read from standard input
    #[arg(num_args = 3.., value_name = "WORD")]
    words: Vec<String>,
}

impl OddOneOut {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let model = self.asking.open()?;
        let questions: &[Vec<String>] = if self.words.is_empty() { &[] } else { &[self.words] };
        self.asking.run(questions, &Odd(&model))
    }
}

/// Answers with the odd one of some words.
pub(super) struct Odd<'a>(pub(super) &'a Embeddings);

/// The odd word, and every word with how well it fits, the best first.
pub(super) struct OddAnswer {
    odd: String,
    fits: Vec<(String, f64)>,
}

impl Answering for Odd<'_> {
    type Answer = OddAnswer;

    fn models(&self) -> Vec<&Embeddings> {
        vec![self.0]
    }

    fn answer(&self, questions: &[Vec<String>]) -> Vec<Result<OddAnswer>> {
        let odd = |words: &Vec<String>| {
            expect(words, 3, true)?;
            let (odd, scores) = query::odd_one_out(self.0, words)?;
            let mut fits: Vec<(String, f64)> = words.iter().cloned().zip(scores).collect();
            fits.sort_by(|a, b| b.1.total_cmp(&a.1));
            Ok(OddAnswer { odd: words[odd].clone(), fits })
        };
        questions.iter().map(odd).collect()
    }

    fn long(&self, _: &[String], answer: &OddAnswer) -> String {
        let width = answer.fits.iter().map(|(word, _)| show::width(word)).max().unwrap_or(0);
        let fits = answer.fits.iter().map(|(word, fit)| {
            format!("  {}  {fit:.4}\n", show::padded(&show::shown(word), width))
        });
        std::iter::once(format!("{}\n", show::shown(&answer.odd))).chain(fits).collect()
    }

    fn line(&self, question: &[String], answer: &OddAnswer) -> String {
        let fits =
            answer.fits.iter().map(|(word, fit)| format!("\t{}\t{fit:.4}", show::shown(word)));
        std::iter::once(format!("{}\t{}", asked(question), show::shown(&answer.odd)))
            .chain(fits)
            .collect()
    }

    fn json(&self, answer: &OddAnswer) -> Map<String, Value> {
        let fits = answer
            .fits
            .iter()
            .map(|(word, fit)| json!({ "word": word, "fit": show::rounded(*fit) }));
        Map::from_iter([
            ("odd".to_string(), json!(answer.odd)),
            ("words".to_string(), fits.collect()),
        ])
    }
}
