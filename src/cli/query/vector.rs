//! `wordloom vector`: the vectors of words.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::{Map, Value};
use wordloom::{Embeddings, Found, Result, query};

use super::{Answering, QueryOptions, asked, expect};
use crate::cli::show;

const EXAMPLES: &str = "Examples:
  wordloom vector my.safetensors king queen
  wordloom vector my.safetensors --json < words.txt
  wordloom vector my.safetensors --tag lee12          the vector of a document";

/// Print the vectors of words, as lines of word2vec's text format
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Vector {
    #[command(flatten)]
    asking: QueryOptions,
    /// Words; without any, they are read from standard input, one a line
    #[arg(value_name = "WORD")]
    words: Vec<String>,
}

impl Vector {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let model = self.asking.open()?;
        let questions: Vec<Vec<String>> = self.words.into_iter().map(|word| vec![word]).collect();
        self.asking.run(&questions, &VectorAnswers(&model))
    }
}

/// Answers with vectors.
pub(super) struct VectorAnswers<'a>(pub(super) &'a Embeddings);

impl<'a> Answering for VectorAnswers<'a> {
    type Answer = Found<'a>;

    fn models(&self) -> Vec<&Embeddings> {
        vec![self.0]
    }

    fn answer(&self, questions: &[Vec<String>]) -> Vec<Result<Found<'a>>> {
        let vector = |words: &Vec<String>| {
            expect(words, 1, false)?;
            query::asked_for(self.0, &words[0])
        };
        questions.iter().map(vector).collect()
    }

    fn long(&self, question: &[String], answer: &Found) -> String {
        self.line(question, answer) + "\n"
    }

    fn line(&self, question: &[String], answer: &Found) -> String {
        let mut line = asked(question);
        for x in answer.vector.iter() {
            // Writing to a string can't fail.
            let _ = write!(line, " {x}");
        }
        line
    }

    fn json(&self, answer: &Found) -> Map<String, Value> {
        Map::from_iter([(
            "vector".to_string(),
            answer.vector.iter().map(|&x| show::json(x)).collect(),
        )])
    }
}
