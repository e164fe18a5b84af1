//! `wordloom similarity`: the cosine of two words.

use std::process::ExitCode;

use serde_json::{Map, Value, json};
use wordloom::query;
use wordloom::{Embeddings, Result};

use super::{Answering, QueryOptions, asked, expect};
use crate::cli::show;

const EXAMPLES: &str = "Examples:
  wordloom similarity my.safetensors cat dog
  wordloom similarity my.safetensors < pairs.txt";

/// Print the cosine of the vectors of two words
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "wordloom similarity [OPTIONS] <MODEL> [A B]")]
pub(crate) struct Similarity {
    #[command(flatten)]
    asking: QueryOptions,
    /// Two words; without any, lines of two words are read from standard input
    #[arg(num_args = 2, value_names = ["A", "B"])]
    words: Vec<String>,
}

impl Similarity {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let model = self.asking.open()?;
        let questions: &[Vec<String>] = if self.words.is_empty() { &[] } else { &[self.words] };
        self.asking.run(questions, &Cosines(&model))
    }
}

/// Answers with the cosines of pairs of words.
pub(super) struct Cosines<'a>(pub(super) &'a Embeddings);

impl Answering for Cosines<'_> {
    type Answer = f64;

    fn models(&self) -> Vec<&Embeddings> {
        vec![self.0]
    }

    fn answer(&self, questions: &[Vec<String>]) -> Vec<Result<f64>> {
        let cosine = |words: &Vec<String>| {
            expect(words, 2, false)?;
            query::similarity(self.0, &words[0], &words[1])
        };
        questions.iter().map(cosine).collect()
    }

    fn long(&self, _: &[String], answer: &f64) -> String {
        format!("{answer:.4}\n")
    }

    fn line(&self, question: &[String], answer: &f64) -> String {
        format!("{}\t{answer:.4}", asked(question))
    }

    fn json(&self, answer: &f64) -> Map<String, Value> {
        Map::from_iter([("similarity".to_string(), json!(show::rounded(*answer)))])
    }
}
