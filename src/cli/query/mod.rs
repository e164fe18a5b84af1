//! Questions to a model. Questions on the command line are answered at length, for a reader.
//! Questions on standard input, one a line, are answered one a line. At a terminal a prompt asks
//! for them.
//!
//! This file is longer than 300 lines because a quarter of it is tests.

pub(super) mod analogy;
mod arguments;
pub(super) mod ask;
pub(super) mod odd_one_out;
mod prompt;
pub(super) mod rank;
pub(super) mod recommend;
pub(crate) mod restrict;
pub(super) mod similar;
pub(super) mod similarity;
pub(super) mod vector;

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value, json};
use wordloom::corpus::{trim, words};
use wordloom::query;
use wordloom::{Embeddings, Error, Result, Vocab};

pub(super) use self::arguments::options_first;
use self::prompt::Prompt;
use super::progress::say;
use super::show;

/// The most lines of input that are answered together.
const BLOCK: usize = 1024;

/// The most unknown words for which near spellings are looked for.
const MAX_SUGGESTED: usize = 10;

/// The most characters of a vector that a question shows to a reader.
const LONGEST_VECTOR: usize = 40;

/// Bytes of input that are read ahead.
const AHEAD: usize = 1 << 16;

/// The options that all commands with questions share.
#[derive(clap::Args)]
pub(crate) struct QueryOptions {
    /// The model, in any format that `wordloom convert` reads
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// The questions are tags (documents), not words
    #[arg(long)]
    pub(crate) tag: bool,
    /// Which table of a transformer: token, position, segment, or the name of a tensor
    #[arg(long, value_name = "TABLE", conflicts_with = "tag")]
    pub(crate) table: Option<String>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a command answers questions.
pub(crate) trait Answering {
    /// The answer to one question.
    type Answer;

    /// The models that are asked.
    fn models(&self) -> Vec<&Embeddings>;

    /// The words that can be asked for.
    fn vocab(&self) -> Option<&Vocab> {
        self.models().first().map(|model| &model.vocab)
    }

    /// Whether the terms of a question may be signed if there are several.
    fn sums(&self) -> bool {
        false
    }

    /// What became of a word that the vocabulary lacks, where a question with it was answered: the
    /// name of the list of such words in JSON, and the end of a sentence that begins with the word.
    fn unseen(&self, word: &str) -> (&'static str, String) {
        let model =
            self.models().into_iter().find(|model| model.vocab.id(word.as_bytes()).is_none());
        let other = model.and_then(|model| model.spelling(word));
        let known = |other: &String| model.is_some_and(|m| m.vocab.id(other.as_bytes()).is_some());
        if let Some(other) = other.as_ref().filter(|other| known(other)) {
            return ("respelled", format!("is not in the vocabulary: taken as '{other}'"));
        }
        let of_pieces = model.and_then(|model| {
            let names = model.pieces_of(word)?.into_iter().map(|id| model.vocab.text(id));
            Some(format!("its pieces {}", names.collect::<Vec<_>>().join(" ")))
        });
        let of = match (of_pieces, other) {
            (Some(pieces), _) => pieces,
            (None, Some(other)) => format!("the n-grams of '{other}'"),
            (None, None) => "its n-grams".into(),
        };
        ("composed", format!("is not in the vocabulary: composed from {of}"))
    }

    /// Answers the questions in their order. Each question is the list of the terms of a line.
    fn answer(&self, questions: &[Vec<String>]) -> Vec<Result<Self::Answer>>;

    /// An answer for a reader: one line or more, each with its newline.
    fn long(&self, question: &[String], answer: &Self::Answer) -> String;

    /// An answer in one line, without its newline. Tabs separate the fields.
    fn line(&self, question: &[String], answer: &Self::Answer) -> String;

    /// The fields of an answer as JSON. The caller adds the question.
    fn json(&self, answer: &Self::Answer) -> Map<String, Value>;
}

/// The form in which an answer is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Long,
    Line,
    Json,
}

impl QueryOptions {
    /// Opens the model: the vectors of its words, or of its tags where they are asked for.
    pub(crate) fn open(&self) -> Result<Embeddings> {
        self.open_at(&self.model)
    }

    /// The same of another model.
    fn open_at(&self, path: &Path) -> Result<Embeddings> {
        let model = wordloom::format::read_table(path, self.table.as_deref())?;
        if self.tag { tags_of(path, &model) } else { Ok(model) }
    }

    /// Answers questions, in the form that was asked for.
    pub(crate) fn run(
        &self,
        questions: &[Vec<String>],
        by: &impl Answering,
    ) -> anyhow::Result<ExitCode> {
        run(self.json, questions, by)
    }
}

/// Answers `questions`, or the questions on standard input if there are none. The exit code is a
/// failure if a question had no answer, unless it was asked at a prompt.
pub(crate) fn run(
    json: bool,
    questions: &[Vec<String>],
    by: &impl Answering,
) -> anyhow::Result<ExitCode> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let long = if json { Form::Json } else { Form::Long };
    let input = std::io::stdin();
    let all_answered = if !questions.is_empty() {
        write(by, questions, None, long, &mut out)?
    } else if input.is_terminal() {
        prompted(by, long, &mut out)?
    } else {
        let form = if json { Form::Json } else { Form::Line };
        let mut input = BufReader::with_capacity(AHEAD, input.lock());
        batch(&mut input, by, form, &mut out)?
    };
    out.flush()?;
    Ok(if all_answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The vectors of the tags of a model.
pub(crate) fn tags_of(path: &Path, model: &Embeddings) -> Result<Embeddings> {
    let mut tags = model.tags().cloned().ok_or_else(|| Error::Input {
        path: path.to_path_buf(),
        problem: "has no vectors of tags: `wordloom train pv-dbow` learns some".into(),
    })?;
    tags.provenance = model.provenance.clone();
    Ok(tags)
}

/// Writes the answers to `questions`, and returns whether every question had one. `lines` are the
/// line numbers of the questions in the input.
fn write<A: Answering>(
    by: &A,
    questions: &[Vec<String>],
    lines: Option<&[usize]>,
    form: Form,
    out: &mut impl Write,
) -> std::io::Result<bool> {
    let mut all_answered = true;
    for (i, (answer, question)) in by.answer(questions).into_iter().zip(questions).enumerate() {
        all_answered &= answer.is_ok();
        let line = lines.map_or_else(String::new, |lines| format!("line {}: ", lines[i]));
        let answer = answer.map_err(|error| suggest(by, error));
        let lacking = if answer.is_ok() { unseen(by, question) } else { Vec::new() };
        if form != Form::Json && !lacking.is_empty() {
            out.flush()?;
            for word in &lacking {
                say(&format!("wordloom: {line}'{word}' {}", by.unseen(word).1));
            }
        }
        match (answer, form) {
            (Ok(answer), Form::Long) => {
                let text = by.long(question, &answer);
                if i > 0 && text.lines().count() > 1 {
                    writeln!(out)?;
                }
                out.write_all(text.as_bytes())?;
            }
            (Ok(answer), Form::Line) => writeln!(out, "{}", by.line(question, &answer))?,
            (Ok(answer), Form::Json) => {
                let mut object = Map::from_iter([("query".to_string(), json!(question.join(" ")))]);
                for word in &lacking {
                    let list = object.entry(by.unseen(word).0).or_insert_with(|| json!([]));
                    list.as_array_mut().expect("it is made as a list").push(json!(word));
                }
                object.extend(by.json(&answer));
                writeln!(out, "{}", Value::Object(object))?;
            }
            (Err(error), Form::Json) => {
                writeln!(
                    out,
                    "{}",
                    json!({ "query": question.join(" "), "error": error.to_string() })
                )?;
            }
            (Err(error), _) => {
                // The answers so far come first where both go to one terminal.
                out.flush()?;
                say(&format!("wordloom: {line}{error}"));
            }
        }
    }
    Ok(all_answered)
}

/// Adds near spellings to the error for an unknown word. Only the first [`MAX_SUGGESTED`] unknown
/// words of a run get some, since looking for them takes longer than an answer.
fn suggest(by: &impl Answering, error: Error) -> Error {
    static SUGGESTED: AtomicUsize = AtomicUsize::new(0);
    match error {
        Error::UnknownWord { word, ngrams, .. }
            if SUGGESTED.fetch_add(1, Ordering::Relaxed) < MAX_SUGGESTED =>
        {
            let near = by.vocab().map(|vocab| vocab.near(&word, 3));
            Error::UnknownWord { word, ngrams, near: near.unwrap_or_default() }
        }
        error => error,
    }
}

/// Asks for questions at a prompt until the input ends.
fn prompted(by: &impl Answering, form: Form, out: &mut impl Write) -> std::io::Result<bool> {
    let mut prompt = Prompt::new(by.vocab(), &[])?;
    while let Some(line) = prompt.line()? {
        if let Some(question) = terms(line.as_bytes(), |word| knows(by, word)) {
            write(by, &[question], None, form, out)?;
            out.flush()?;
        }
    }
    // The person at the prompt has already seen what went wrong.
    Ok(true)
}

/// Answers each line of `input`. All lines that have arrived, up to [`BLOCK`], are answered
/// together. So a program gets its answer even if it waits for that before it asks again.
fn batch(
    input: &mut BufReader<impl Read>,
    by: &impl Answering,
    form: Form,
    out: &mut impl Write,
) -> std::io::Result<bool> {
    let (mut all_answered, mut number, mut line) = (true, 0, Vec::new());
    loop {
        let (mut questions, mut lines, mut ended) = (Vec::new(), Vec::new(), false);
        while questions.len() < BLOCK {
            line.clear();
            if input.read_until(b'\n', &mut line)? == 0 {
                ended = true;
                break;
            }
            number += 1;
            if let Some(question) = terms(&line, |word| knows(by, word)) {
                questions.push(question);
                lines.push(number);
            }
            if !input.buffer().contains(&b'\n') {
                break;
            }
        }
        all_answered &= write(by, &questions, Some(&lines), form, out)?;
        out.flush()?;
        if ended {
            return Ok(all_answered);
        }
    }
}

/// A question as it can be shown.
pub(crate) fn asked(question: &[String]) -> String {
    show::shown(&question.join(" ")).into_owned()
}

/// The same for a reader, who needs no more than the beginning of a vector.
fn asked_shortly(question: &[String]) -> String {
    let short = |term: &String| match term.char_indices().nth(LONGEST_VECTOR) {
        Some((at, _)) if query::is_vector(term) => format!("{} ...]", &term[..at]),
        _ => term.clone(),
    };
    asked(&question.iter().map(short).collect::<Vec<_>>())
}

/// The words of a line, if it has any. They are apart by tabs, or else by white space. A line that
/// is a known word as a whole is that word, whatever it contains.
fn terms(line: &[u8], known: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let line = String::from_utf8_lossy(line);
    let whole = trim(&line);
    let terms: Vec<String> = if whole.contains('\t') {
        whole.split('\t').map(trim).filter(|term| !term.is_empty()).map(Into::into).collect()
    } else if known(whole) || query::is_vector(whole) {
        vec![whole.into()]
    } else {
        words(whole).map(Into::into).collect()
    };
    (!terms.is_empty()).then_some(terms)
}

/// Fails unless `question` has `count` words, or with `more` at least this many.
pub(crate) fn expect(question: &[String], count: usize, more: bool) -> Result<()> {
    let found = question.len();
    if found == count || more && found > count {
        return Ok(());
    }
    let least = if more { "at least " } else { "" };
    Err(Error::Refused(format!(
        "'{}': {least}{count} words are needed, not {found}",
        question.join(" ")
    )))
}

/// Whether all models have this word.
fn knows(by: &impl Answering, word: &str) -> bool {
    by.models().iter().all(|model| model.vocab.id(word.as_bytes()).is_some())
}

/// The words of `question` that the vocabulary of some model lacks.
fn unseen<'q>(by: &impl Answering, question: &'q [String]) -> Vec<&'q str> {
    let words: Vec<&str> = if by.sums() && question.len() > 1 {
        query::terms(question, |term| knows(by, term)).into_iter().map(|(_, word)| word).collect()
    } else {
        question.iter().map(String::as_str).collect()
    };
    let lacks = |word: &&str| !knows(by, word) && !query::is_vector(word);
    let mut unseen: Vec<&str> = words.into_iter().filter(lacks).collect();
    unseen.sort_unstable();
    unseen.dedup();
    unseen
}

#[cfg(test)]
mod tests {
    use wordloom::Provenance;

    use super::*;

    /// Reverses the words of each question, and records how many questions come together.
    struct Reverse(std::cell::RefCell<Vec<usize>>, Embeddings);

    fn reverse() -> Reverse {
        let vocab = Vocab::new(&["a", "b", "c", "d", "e"], vec![]);
        let model = Embeddings::new(vocab, 1, vec![1.0; 5].into(), None, Provenance::default());
        Reverse(Vec::new().into(), model)
    }

    impl Answering for Reverse {
        type Answer = String;

        fn models(&self) -> Vec<&Embeddings> {
            vec![&self.1]
        }

        fn answer(&self, questions: &[Vec<String>]) -> Vec<Result<String>> {
            self.0.borrow_mut().push(questions.len());
            let reversed = |q: &Vec<String>| q.iter().rev().cloned().collect::<Vec<_>>().join(" ");
            questions.iter().map(|q| expect(q, 2, false).map(|()| reversed(q))).collect()
        }

        fn long(&self, question: &[String], answer: &String) -> String {
            format!("{question:?} {answer}\n")
        }

        fn line(&self, question: &[String], answer: &String) -> String {
            format!("{}\t{answer}", question.join(" "))
        }

        fn json(&self, answer: &String) -> Map<String, Value> {
            Map::from_iter([("answer".to_string(), json!(answer))])
        }
    }

    fn answers(input: &[u8], form: Form) -> (bool, String, Vec<usize>) {
        let (by, mut out) = (reverse(), Vec::new());
        let good = batch(&mut BufReader::new(input), &by, form, &mut out).unwrap();
        (good, String::from_utf8(out).unwrap(), by.0.into_inner())
    }

    #[test]
    fn a_line_is_a_question_and_an_answer_a_line() {
        let (good, out, _) = answers(b"a b\r\n\n  c\td", Form::Line);
        assert!(good);
        assert_eq!(out, "a b\tb a\nc d\td c\n");
    }

    #[test]
    fn words_with_spaces_are_asked_for() {
        let known = |word: &str| word == "new york" || word == "\u{a0}";
        let terms = |line: &str| terms(line.as_bytes(), known).unwrap_or_default();
        assert_eq!(terms("new york\n"), ["new york"]);
        assert_eq!(terms("new york\tlos angeles\r\n"), ["new york", "los angeles"]);
        assert_eq!(terms("new\u{3000}york x"), ["new", "york", "x"]);
        assert_eq!(terms("\u{feff}cat \u{200b}"), ["cat"]);
        assert!(terms("\u{a0} \n").is_empty());
        assert_eq!(terms("[1, 2]\n"), ["[1, 2]"]);
    }

    #[test]
    fn an_error_does_not_end_the_run() {
        let (good, out, _) = answers(b"a b\nc\nd e\n", Form::Line);
        assert!(!good);
        assert_eq!(out, "a b\tb a\nd e\te d\n");
        let (good, out, _) = answers(b"c\nd f\n", Form::Json);
        assert!(!good);
        let lines: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0], json!({ "query": "c", "error": "'c': 2 words are needed, not 1" }));
        assert_eq!(lines[1], json!({ "query": "d f", "composed": ["f"], "answer": "f d" }));
    }

    #[test]
    fn lines_that_are_there_are_answered_together() {
        let input = b"a b\n".repeat(BLOCK + 5);
        let (by, mut out) = (reverse(), Vec::new());
        batch(&mut BufReader::with_capacity(AHEAD, &input[..]), &by, Form::Line, &mut out).unwrap();
        assert_eq!(by.0.into_inner()[..2], [BLOCK, 5]);
    }
}
