//! `wordloom context`: what words occur with, and how strongly.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use wordloom::cooccur::{Association, Counts, Margins, Measure};
use wordloom::format::contexts::{write_matrix, write_table};
use wordloom::format::counts;
use wordloom::{Embeddings, Error, Result, Vocab};

use super::progress::{self, OnSignal, say};
use super::query::{Answering, asked, expect, run};
use super::{outputs, show};

const EXAMPLES: &str = "Examples:
  wordloom cooccur text.txt -o my.counts --window 5 --context-weight flat
  wordloom context my.counts bank river               the strongest contexts of each
  wordloom context my.counts bank --by npmi --min-count 20 -k 30
  wordloom context my.counts -o all.csv               of all words, with all measures
  wordloom context my.counts -o counts.mtx            the counts as a sparse matrix
  wordloom context my.counts --json < words.txt

With c for how often two words occur together, r and k for all counts of each, n for
all counts, and e = r k / n for what chance gives: pmi is log2(c / e), npmi pmi /
-log2(c / n), t (c - e) / sqrt(c), and log-likelihood Dunning's G2. The last two are
tests only where counts are whole: count with --context-weight flat.";

/// Show which words occur with a word, by count, PMI, NPMI, log-likelihood or t
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Context {
    /// Counts, as `wordloom cooccur` writes them
    #[arg(value_name = "COUNTS")]
    counts: PathBuf,
    /// Words; without any, they are read from standard input, one a line
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// The words of a cooccurrence.bin of Stanford's, a line each
    #[arg(long, value_name = "FILE")]
    vocab_file: Option<PathBuf>,
    /// By what the strongest are found
    #[arg(long, value_enum, value_name = "MEASURE", default_value_t)]
    by: Measure,
    /// How many contexts to show; in a file all that there are, unless this is given
    #[arg(short, value_name = "N")]
    k: Option<usize>,
    /// Leave out contexts that occur with a word fewer times than this
    #[arg(long, value_name = "COUNT", default_value_t = 2.0)]
    min_count: f64,
    /// Write the contexts of the words, or of all words, to this file: a table if its name ends in
    /// .csv, or all counts as a Matrix Market file if it ends in .mtx
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl Context {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(output) = &self.output {
            outputs::check(&[output], std::slice::from_ref(&self.counts))?;
        }
        let counts = counts::read(&self.counts, self.vocab_file.as_deref())?;
        if let Some(output) = &self.output {
            progress::listen(OnSignal::End);
            let written = self.write(output, &counts)?;
            let written = show::counted(written, "context", "contexts");
            say(&format!("{written} -> {}", output.display()));
            return Ok(ExitCode::SUCCESS);
        }
        let margins = Margins::of(&counts);
        let questions: Vec<Vec<String>> =
            self.words.iter().map(|word| vec![word.clone()]).collect();
        run(self.json, &questions, &Contexts { counts, margins, asked: self })
    }

    /// Writes contexts to a file.
    fn write(&self, output: &Path, counts: &Counts) -> Result<u64> {
        let extension = output.extension().map(|e| e.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("csv") => {
                let ids: Vec<u32> = if self.words.is_empty() {
                    (0..counts.vocab.len() as u32).collect()
                } else {
                    let id = |word: &String| counts.vocab.known(word);
                    self.words.iter().map(id).collect::<Result<_>>()?
                };
                let most = self.k.unwrap_or(usize::MAX);
                let margins = Margins::of(counts);
                write_table(output, (counts, &margins), &ids, (self.min_count, most), self.by)
            }
            Some("mtx") if self.words.is_empty() => write_matrix(output, counts),
            Some("mtx") => Err(Error::Refused("a .mtx file has all words: name none".into())),
            _ => {
                let problem = "is no name for contexts: end it in .csv or .mtx".into();
                Err(Error::Input { path: output.into(), problem })
            }
        }
    }
}

/// Answers with the contexts of words.
struct Contexts {
    counts: Counts,
    margins: Margins,
    asked: Context,
}

/// Contexts that are shown, unless it is said how many.
const SHOWN: usize = 10;

impl Contexts {
    fn name(&self, id: u32) -> String {
        show::shown(&self.counts.vocab.text(id)).into_owned()
    }
}

impl Answering for Contexts {
    type Answer = Vec<Association>;

    fn models(&self) -> Vec<&Embeddings> {
        Vec::new()
    }

    fn vocab(&self) -> Option<&Vocab> {
        Some(&self.counts.vocab)
    }

    fn answer(&self, questions: &[Vec<String>]) -> Vec<Result<Vec<Association>>> {
        let answer = |words: &Vec<String>| {
            expect(words, 1, false)?;
            let word = self.counts.vocab.known(&words[0])?;
            let Context { min_count, by, k, .. } = self.asked;
            let mut all = self.margins.contexts(&self.counts, word, min_count, by);
            all.truncate(k.unwrap_or(SHOWN));
            Ok(all)
        };
        questions.iter().map(answer).collect()
    }

    fn long(&self, question: &[String], answer: &Vec<Association>) -> String {
        let names: Vec<String> = answer.iter().map(|a| self.name(a.context)).collect();
        let width = names.iter().map(|name| show::width(name)).max().unwrap_or(0).clamp(7, 40);
        let mut text = asked(question) + "\n";
        if answer.is_empty() {
            let least = self.asked.min_count;
            return format!("{text}  nothing occurs with it {least} times or more\n");
        }
        let row = |name: &str, numbers: [String; 5]| {
            let [count, pmi, npmi, log_likelihood, t] = numbers;
            let name = show::padded(name, width);
            format!("  {name}  {count:>10}  {pmi:>6}  {npmi:>6}  {log_likelihood:>10}  {t:>8}\n")
        };
        text += &row("context", ["count", "pmi", "npmi", "G2", "t"].map(String::from));
        for (name, a) in names.iter().zip(answer) {
            let (count, pmi, npmi) = (a.count, a.pmi, a.npmi);
            let [count, pmi, npmi] =
                [format!("{count:.1}"), format!("{pmi:.2}"), format!("{npmi:.3}")];
            let certain = [format!("{:.1}", a.log_likelihood), format!("{:.2}", a.t)];
            let [log_likelihood, t] = certain;
            text += &row(name, [count, pmi, npmi, log_likelihood, t]);
        }
        text
    }

    fn line(&self, question: &[String], answer: &Vec<Association>) -> String {
        let by = |a: &Association| a.by(self.asked.by);
        let near = answer.iter().map(|a| format!("\t{}\t{:.4}", self.name(a.context), by(a)));
        std::iter::once(asked(question)).chain(near).collect()
    }

    fn json(&self, answer: &Vec<Association>) -> Map<String, Value> {
        let contexts = answer.iter().map(|a| {
            json!({
                "word": self.counts.vocab.text(a.context), "count": show::rounded(a.count),
                "pmi": show::rounded(a.pmi), "npmi": show::rounded(a.npmi),
                "log_likelihood": show::rounded(a.log_likelihood), "t": show::rounded(a.t),
            })
        });
        Map::from_iter([("contexts".to_string(), contexts.collect())])
    }
}
