//! `wordloom ask`: all kinds of questions to a model at one prompt.

use std::io::{BufRead, BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use clap::ValueEnum;
use wordloom::query::{Combine, Query, Sketch};
use wordloom::{Embeddings, Error, Result};

use super::odd_one_out::Odd;
use super::prompt::Prompt;
use super::rank::Ranks;
use super::restrict::{Among, Restrict};
use super::similar::{NeighbourAnswers, Search, query_of};
use super::similarity::Cosines;
use super::vector::VectorAnswers;
use super::{Form, QueryOptions, expect, terms, write};
use crate::cli::progress::say;
use crate::cli::{note, show};

const EXAMPLES: &str = "Examples:
  wordloom ask my.safetensors                      a prompt: `help` says what can be asked
  wordloom ask my.safetensors -k 3 < questions.txt
  wordloom ask documents.safetensors --tag         about documents, not words

At a terminal the tabulator completes words, the arrows bring back lines, and
Ctrl-D ends. On standard input a line is a question, and an answer is a line.";

/// What can be asked, as the prompt tells it.
const HELP: &str = "king                        the words nearest to a word
king - man + woman          ... to a sum, with weights too: 2*king - 0.5*man
[0.12, -0.5, ...]           ... to a vector
similar help                ... to a word that is a command here
analogy man king woman      man is to king as woman is to what?
similarity cat dog          the cosine of two words
rank cat dog                how near each is to the other, among all words
odd breakfast tea lunch     the word that fits the others least
vector king                 its numbers

k 20                        how many words an answer has
restrict 20000              search the most frequent words alone; or /ing$/, a file, all
method mul                  how sums and analogies are combined: add or mul
help, quit";

/// The questions that have a name.
const QUESTIONS: [&str; 7] =
    ["similar", "analogy", "similarity", "rank", "odd", "odd-one-out", "vector"];

/// What is completed at the beginning of a line.
const COMMANDS: [&str; 11] = [
    "help",
    "quit",
    "similar",
    "analogy",
    "similarity",
    "rank",
    "odd",
    "vector",
    "k",
    "restrict",
    "method",
];

/// Ask a model all kinds of questions at a prompt
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Ask {
    #[command(flatten)]
    asking: QueryOptions,
    #[command(flatten)]
    search: Search,
}

impl Ask {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let model = self.asking.open()?;
        note(&model.provenance.notes);
        let terminal = std::io::stdin().is_terminal();
        let form = match (self.asking.json, terminal) {
            (true, _) => Form::Json,
            (false, true) => Form::Long,
            (false, false) => Form::Line,
        };
        let among = Among::new(&model, self.search.restrict.as_ref())?;
        let Search { k, method, .. } = self.search;
        let sketch = Arc::default();
        let mut session =
            Session { model: &model, among, k, method, form, sketch: &sketch, all_answered: true };
        let mut out = BufWriter::new(std::io::stdout().lock());
        if terminal {
            draw(&model, &sketch);
            let (words, dim) = (show::number(model.vocab.len() as u64), model.dim());
            let what = if self.asking.tag { "documents" } else { "words" };
            say(&format!("{words} {what} x {dim}: `help` says what can be asked, Ctrl-D ends"));
            let mut prompt = Prompt::new(Some(&model.vocab), &COMMANDS)?;
            while let Some(line) = prompt.line()? {
                if session.asked(line.as_bytes(), &mut out)?.is_none() {
                    break;
                }
            }
            // Who is at the prompt has already seen what went wrong.
            return Ok(ExitCode::SUCCESS);
        }
        let (mut input, mut line) = (std::io::stdin().lock(), Vec::new());
        while input.read_until(b'\n', &mut line)? > 0 {
            if session.asked(&line, &mut out)?.is_none() {
                break;
            }
            line.clear();
        }
        Ok(if session.all_answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Makes a sketch of a model beside the prompt, while the first line is typed.
fn draw(model: &Embeddings, sketch: &Arc<OnceLock<Sketch>>) {
    let (model, sketch) = (model.clone(), Arc::clone(sketch));
    std::thread::spawn(move || {
        sketch.get_or_init(|| Sketch::new(&model));
    });
}

/// A model that is asked, and how.
struct Session<'a> {
    model: &'a Embeddings,
    among: Among<'a>,
    k: usize,
    method: Combine,
    form: Form,
    sketch: &'a OnceLock<Sketch>,
    all_answered: bool,
}

impl Session<'_> {
    /// Answers a line. `None` for one that ends the session.
    fn asked(&mut self, line: &[u8], out: &mut impl Write) -> std::io::Result<Option<()>> {
        let known = |word: &str| self.model.vocab.id(word.as_bytes()).is_some();
        let Some(all) = terms(line, known) else { return Ok(Some(())) };
        let rest = || terms(all[1..].join("\t").as_bytes(), known).unwrap_or_default();
        match (all[0].as_str(), all.len()) {
            ("help", 1) => writeln!(out, "{HELP}")?,
            ("quit" | "exit", 1) => return Ok(None),
            ("k" | "restrict" | "method", 2) => {
                if let Err(problem) = self.set(&all[0], &all[1]) {
                    self.all_answered = false;
                    say(&format!("wordloom: {problem}"));
                }
            }
            (name, 2..) if QUESTIONS.contains(&name) => self.answer(name, rest(), out)?,
            _ => self.answer("similar", all, out)?,
        }
        out.flush()?;
        Ok(Some(()))
    }

    /// Changes how questions are answered.
    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let bad = |problem: String| Error::Refused(format!("{name} {value}: {problem}"));
        match (name, value) {
            ("k", _) => self.k = value.parse().map_err(|_| bad("how many words?".into()))?,
            ("method", _) => {
                self.method =
                    Combine::from_str(value, true).map_err(|_| bad("add or mul?".into()))?;
            }
            (_, "all") => self.among = Among::new(self.model, None)?,
            _ => {
                let restrict: Restrict = value.parse().map_err(bad)?;
                self.among = Among::new(self.model, Some(&restrict))?;
            }
        }
        Ok(())
    }

    /// Answers a question.
    fn answer(
        &mut self,
        name: &str,
        question: Vec<String>,
        out: &mut impl Write,
    ) -> std::io::Result<()> {
        let (model, form, one) = (self.model, self.form, &[question]);
        let answered = match name {
            "similarity" => write(&Cosines(model), one, None, form, out)?,
            "rank" => write(&Ranks(model), one, None, form, out)?,
            "odd" | "odd-one-out" => write(&Odd(model), one, None, form, out)?,
            "vector" => write(&VectorAnswers(model), one, None, form, out)?,
            _ => {
                let query = |terms: &[String]| {
                    if name != "analogy" {
                        return query_of(model, terms, self.method);
                    }
                    expect(terms, 3, false)?;
                    Query::analogy(model, &terms[0], &terms[1], &terms[2], self.method)
                };
                let answers =
                    NeighbourAnswers::new(model, &self.among, query, self.k, name != "analogy")
                        .with_sketch(self.sketch.get());
                write(&answers, one, None, form, out)?
            }
        };
        self.all_answered &= answered;
        Ok(())
    }
}
