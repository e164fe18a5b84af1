//! `wordloom rank`: how near a word is to another among all words.

use std::process::ExitCode;

use rayon::prelude::*;
use serde_json::{Map, Value, json};
use wordloom::query::asked_for;
use wordloom::{Embeddings, Error, Result, cosine};

use super::{Answering, QueryOptions, asked, expect};
use crate::cli::show;

const EXAMPLES: &str = "Examples:
  wordloom rank my.safetensors cat dog
  wordloom rank my.safetensors < pairs.txt

The rank of B is 1 where no other word is nearer to A.";

/// Print how near a word is to another: its rank among all neighbours, both ways
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "wordloom rank [OPTIONS] <MODEL> [A B]")]
pub(crate) struct Rank {
    #[command(flatten)]
    asking: QueryOptions,
    /// Two words; without any, lines of two words are read from standard input
    #[arg(num_args = 2, value_names = ["A", "B"])]
    words: Vec<String>,
}

impl Rank {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let model = self.asking.open()?;
        let questions: &[Vec<String>] = if self.words.is_empty() { &[] } else { &[self.words] };
        self.asking.run(questions, &Ranks(&model))
    }
}

/// Answers with the ranks of pairs of words.
pub(super) struct Ranks<'a>(pub(super) &'a Embeddings);

/// The ranks of the second word among the neighbours of the first, and the other way round, and
/// their cosine.
pub(super) struct RankAnswer {
    rank: usize,
    back: usize,
    cosine: f64,
}

impl Ranks<'_> {
    fn of(&self, a: &str, b: &str) -> Result<RankAnswer> {
        let (a, b) = (asked_for(self.0, a)?, asked_for(self.0, b)?);
        let words = 0..self.0.vocab.len() as u32;
        let own = cosine(&a.vector, &b.vector);
        let other = |id: u32| Some(id) != a.id && Some(id) != b.id;
        let nearer = words.into_par_iter().filter(|&id| other(id)).map(|id| {
            let row = self.0.vector(id);
            [cosine(&a.vector, &row) > own, cosine(&b.vector, &row) > own].map(usize::from)
        });
        let [rank, back] = nearer.reduce(|| [0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
        Ok(RankAnswer { rank: rank + 1, back: back + 1, cosine: own })
    }
}

impl Answering for Ranks<'_> {
    type Answer = RankAnswer;

    fn models(&self) -> Vec<&Embeddings> {
        vec![self.0]
    }

    fn answer(&self, questions: &[Vec<String>]) -> Vec<Result<RankAnswer>> {
        let rank = |words: &Vec<String>| {
            expect(words, 2, false)?;
            if words[0] == words[1] {
                return Err(Error::Refused(format!("'{}' has no rank for itself", words[0])));
            }
            self.of(&words[0], &words[1])
        };
        questions.iter().map(rank).collect()
    }

    fn long(&self, question: &[String], answer: &RankAnswer) -> String {
        let [a, b] = [&question[0], &question[1]].map(|word| show::shown(word));
        let [rank, back] = [answer.rank, answer.back].map(|rank| show::number(rank as u64));
        let (cosine, distance) = (answer.cosine, 1.0 - answer.cosine);
        format!(
            "{b} is number {rank} of the words near {a}\n{a} is number {back} of the words near \
             {b}\ncosine {cosine:.4}, distance {distance:.4}\n"
        )
    }

    fn line(&self, question: &[String], answer: &RankAnswer) -> String {
        let RankAnswer { rank, back, cosine } = answer;
        format!("{}\t{rank}\t{back}\t{cosine:.4}", asked(question))
    }

    fn json(&self, answer: &RankAnswer) -> Map<String, Value> {
        Map::from_iter([
            ("rank".to_string(), json!(answer.rank)),
            ("back".to_string(), json!(answer.back)),
            ("similarity".to_string(), json!(show::rounded(answer.cosine))),
        ])
    }
}
