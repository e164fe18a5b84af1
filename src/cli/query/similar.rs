//! `wordloom similar`: the words nearest to a word, or to a sum of words.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use wordloom::format;
use wordloom::query::{Agreed, Combine, Index, Neighbour, Query, Sketch, ensemble, is_sum};
use wordloom::{Embeddings, Error, Result};

use super::restrict::{Among, Restrict};
use super::{Answering, QueryOptions, asked, asked_shortly, tags_of};
use crate::cli::progress::say;
use crate::cli::show;

const EXAMPLES: &str = "Examples:
  wordloom similar my.safetensors king queen           a list for each word
  wordloom similar my.safetensors king - man + woman   one list for the sum
  wordloom similar my.safetensors '2*king' -0.5*man    with weights
  wordloom similar my.safetensors --mean red blue      one list for the mean
  wordloom similar my.safetensors '[0.12, -0.5, ...]'  words near a vector
  wordloom similar my.safetensors run --restrict '/ing$/'
  wordloom similar my.safetensors --json -k 3 king
  wordloom similar my.safetensors < words.txt          a query a line, an answer a line
  wordloom similar king --ensemble run*.safetensors    what several trainings agree on
  wordloom similar my.safetensors --tag lee12          documents near a document
  wordloom similar my.safetensors --tag lee12 --words  words near a document
  wordloom similar my.safetensors bushfire --tags      documents near a word

Where a further word has + or - before it, or a word a number and *, the words
are one sum. On standard input a line is one query: a word, or several that are
added. An answer there is the query, then neighbours and their scores, apart by
tabs. Where the vocabulary lacks a word, it is looked for as the text of the
model was read: in lower case, or without punctuation.";

/// Find the words nearest to a word, or to a sum like king -man +woman
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "wordloom similar [OPTIONS] <MODEL> [WORD]...\n       wordloom similar [OPTIONS] [WORD]... --ensemble <MODEL>...")]
pub(crate) struct Similar {
    #[command(flatten)]
    asking: QueryOptions,
    /// Words, or one sum of words; without any, they are read from standard input
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    #[command(flatten)]
    search: Search,
    /// One list for the mean of all words
    #[arg(long)]
    mean: bool,
    /// Answer with words, although tags are asked for
    #[arg(long = "words", requires = "tag", conflicts_with = "ensemble")]
    among_words: bool,
    /// Answer with tags (documents), although words are asked for
    #[arg(long = "tags", conflicts_with_all = ["tag", "ensemble"])]
    among_tags: bool,
    /// Ask all these models instead of one, and print for each word its mean score, the standard
    /// deviation, and the number of models that have it among the nearest. Words that some model
    /// lacks are left out
    #[arg(long, value_name = "MODEL", num_args = 1)]
    ensemble: Vec<PathBuf>,
}

/// How neighbours are searched for.
#[derive(clap::Args)]
pub(crate) struct Search {
    /// How many neighbours to show
    #[arg(short, value_name = "N", default_value_t = 10)]
    pub(crate) k: usize,
    /// How the words of a sum or an analogy are combined
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub(crate) method: Combine,
    /// Search only the first N words, which are the most frequent; or the words of a file, one a line;
    /// or those that a regular expression between slashes finds
    #[arg(long, value_name = "N|FILE|/REGEX/")]
    pub(crate) restrict: Option<Restrict>,
}

impl Similar {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let questions = if self.mean || is_sum(&self.words) {
            vec![self.words]
        } else {
            self.words.into_iter().map(|word| vec![word]).collect::<Vec<_>>()
        };
        let Search { k, method, restrict } = self.search;
        let query = |model: &Embeddings, terms: &[String]| query_of(model, terms, method);
        if !self.ensemble.is_empty() {
            let open = |path: &PathBuf| self.asking.open_at(path);
            let models = self.ensemble.iter().map(open).collect::<Result<_>>()?;
            if restrict.is_some() {
                return Err(Error::Refused(
                    "`ensemble` asks all words: leave out `restrict`".into(),
                )
                .into());
            }
            return self.asking.run(&questions, &Ensemble { models, query, k });
        }
        let model = self.asking.open()?;
        let others = match (self.among_words, self.among_tags) {
            (true, _) => Some(format::read(&self.asking.model)?),
            (_, true) => Some(tags_of(&self.asking.model, &model)?),
            _ => None,
        };
        let ask = |terms: &[String]| {
            let query = query(&model, terms)?;
            Ok(if others.is_some() { query.among_others() } else { query })
        };
        let among = Among::new(others.as_ref().unwrap_or(&model), restrict.as_ref())?;
        self.asking.run(&questions, &NeighbourAnswers::new(&model, &among, ask, k, true))
    }
}

/// What a word, or a sum of several, asks.
///
/// # Errors
/// As [`Query::word`] and [`Query::expression`].
pub(super) fn query_of(model: &Embeddings, terms: &[String], method: Combine) -> Result<Query> {
    match terms {
        [word] => Query::word(model, word),
        terms => Query::expression(model, terms, method),
    }
}

/// Answers with the neighbours of the query that `query` makes of a question.
pub(crate) struct NeighbourAnswers<'a, Q> {
    asked: &'a Embeddings,
    /// The vectors among which answers are.
    among: &'a Among<'a>,
    index: Index<'a>,
    query: Q,
    k: usize,
    sums: bool,
    told: Cell<bool>,
}

impl<'a, Q> NeighbourAnswers<'a, Q> {
    /// Questions to a model, with answers `among` some vectors. With `sums`, the terms of a question
    /// may be signed if there are several.
    pub(crate) fn new(
        asked: &'a Embeddings,
        among: &'a Among<'a>,
        query: Q,
        k: usize,
        sums: bool,
    ) -> Self {
        let index = Index::new(among.vectors());
        Self { asked, among, index, query, k, sums, told: Cell::new(false) }
    }

    /// The same answers by a sketch of the model, where all of it is searched.
    pub(super) fn with_sketch(mut self, sketch: Option<&'a Sketch>) -> Self {
        if let (Some(sketch), true) = (sketch, self.among.is_all()) {
            self.index = self.index.with_sketch(sketch);
        }
        self
    }

    /// Says once which words the searches leave out.
    fn tell(&self) {
        let bad = self.index.not_finite().filter(|&bad| bad > 0 && !self.told.replace(true));
        if let Some(bad) = bad {
            let words = show::counted(bad as u64, "word is", "words are");
            say(&format!("wordloom: {words} left out: a number in the vector is not finite"));
        }
    }
}

impl<Q: Fn(&[String]) -> Result<Query>> Answering for NeighbourAnswers<'_, Q> {
    type Answer = Vec<Neighbour>;

    fn models(&self) -> Vec<&Embeddings> {
        vec![self.asked]
    }

    fn sums(&self) -> bool {
        self.sums
    }

    fn answer(&self, questions: &[Vec<String>]) -> Vec<Result<Vec<Neighbour>>> {
        let mut queries = Vec::new();
        let asked: Vec<Result<()>> = questions
            .iter()
            .map(|terms| (self.query)(terms).map(|query| queries.push(self.among.moved(query))))
            .collect();
        let first = self.among.first();
        let mut found = self.index.nearest_among(first, &queries, self.k).into_iter();
        self.tell();
        asked.into_iter().map(|asked| asked.map(|()| found.next().unwrap_or_default())).collect()
    }

    fn long(&self, question: &[String], answer: &Vec<Neighbour>) -> String {
        neighbours(self.among.vectors(), question, answer)
    }

    fn line(&self, question: &[String], answer: &Vec<Neighbour>) -> String {
        neighbours_line(self.among.vectors(), question, answer)
    }

    fn json(&self, answer: &Vec<Neighbour>) -> Map<String, Value> {
        let near = answer.iter().map(|near| {
            let score = show::rounded(near.score.into());
            json!({ "word": self.among.vectors().vocab.text(near.id), "score": score })
        });
        Map::from_iter([("neighbours".to_string(), near.collect())])
    }
}

/// A question, and below it neighbours, one a line.
pub(super) fn neighbours(model: &Embeddings, question: &[String], near: &[Neighbour]) -> String {
    let words: Vec<String> = near.iter().map(|near| word(model, near.id)).collect();
    let width = words.iter().map(|word| show::width(word)).max().unwrap_or(0).min(40);
    let near = words
        .iter()
        .zip(near)
        .map(|(word, near)| format!("  {}  {:.4}\n", show::padded(word, width), near.score));
    std::iter::once(asked_shortly(question) + "\n").chain(near).collect()
}

/// A question and its neighbours in one line.
pub(super) fn neighbours_line(
    model: &Embeddings,
    question: &[String],
    near: &[Neighbour],
) -> String {
    let near = near.iter().map(|near| format!("\t{}\t{:.4}", word(model, near.id), near.score));
    std::iter::once(asked(question)).chain(near).collect()
}

/// A word as it can be shown.
fn word(model: &Embeddings, id: u32) -> String {
    show::shown(&model.vocab.text(id)).into_owned()
}

/// Answers with the neighbours that several models agree on.
struct Ensemble<Q> {
    models: Vec<Embeddings>,
    query: Q,
    k: usize,
}

impl<Q: Fn(&Embeddings, &[String]) -> Result<Query>> Answering for Ensemble<Q> {
    type Answer = Vec<Agreed>;

    fn models(&self) -> Vec<&Embeddings> {
        self.models.iter().collect()
    }

    fn sums(&self) -> bool {
        true
    }

    fn answer(&self, questions: &[Vec<String>]) -> Vec<Result<Vec<Agreed>>> {
        let answer = |terms: &Vec<String>| {
            ensemble(&self.models, |model| (self.query)(model, terms), self.k)
        };
        questions.iter().map(answer).collect()
    }

    fn long(&self, question: &[String], answer: &Vec<Agreed>) -> String {
        let words: Vec<String> = answer.iter().map(|near| word(&self.models[0], near.id)).collect();
        let width = words.iter().map(|word| show::width(word)).max().unwrap_or(0).min(40);
        let near = words.iter().zip(answer).map(|(word, near)| {
            let Agreed { mean, spread, models, .. } = near;
            let word = show::padded(word, width);
            format!("  {word}  {mean:.4} ±{spread:.4}  in {models} of {}\n", self.models.len())
        });
        std::iter::once(asked(question) + "\n").chain(near).collect()
    }

    fn line(&self, question: &[String], answer: &Vec<Agreed>) -> String {
        let near = answer.iter().map(|near| {
            let Agreed { id, mean, spread, models } = near;
            format!("\t{}\t{mean:.4}\t{spread:.4}\t{models}", word(&self.models[0], *id))
        });
        std::iter::once(asked(question)).chain(near).collect()
    }

    fn json(&self, answer: &Vec<Agreed>) -> Map<String, Value> {
        let near = answer.iter().map(|near| {
            json!({
                "word": self.models[0].vocab.text(near.id), "score": show::rounded(near.mean),
                "deviation": show::rounded(near.spread), "models": near.models,
            })
        });
        Map::from_iter([
            ("models".to_string(), json!(self.models.len())),
            ("neighbours".to_string(), near.collect()),
        ])
    }
}
