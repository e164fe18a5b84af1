//! `wordloom analogy`: a is to b as c is to what?

use std::process::ExitCode;

use wordloom::query::Query;

use super::restrict::Among;
use super::similar::{NeighbourAnswers, Search};
use super::{QueryOptions, expect};

const EXAMPLES: &str = "Examples:
  wordloom analogy my.safetensors man king woman       man is to king as woman is to ...?
  wordloom analogy my.safetensors --method mul paris france tokyo
  wordloom analogy my.safetensors -k 1 < questions.txt";

/// Complete an analogy: A is to B as C is to what?
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "wordloom analogy [OPTIONS] <MODEL> [A B C]")]
pub(crate) struct Analogy {
    #[command(flatten)]
    asking: QueryOptions,
    /// Three words; without any, lines of three words are read from standard input
    #[arg(num_args = 3, value_names = ["A", "B", "C"])]
    words: Vec<String>,
    #[command(flatten)]
    search: Search,
}

impl Analogy {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let model = self.asking.open()?;
        let query = |terms: &[String]| {
            expect(terms, 3, false)?;
            Query::analogy(&model, &terms[0], &terms[1], &terms[2], self.search.method)
        };
        let questions: &[Vec<String>] = if self.words.is_empty() { &[] } else { &[self.words] };
        let among = Among::new(&model, self.search.restrict.as_ref())?;
        let answers = NeighbourAnswers::new(&model, &among, query, self.search.k, false);
        self.asking.run(questions, &answers)
    }
}
