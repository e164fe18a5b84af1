//! A prompt with line editing, a history, and completion of words.

use std::io;
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::config::{Behavior, CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};
use wordloom::Vocab;
use wordloom::corpus::cache;

use crate::cli::show;

/// Lines that the history keeps.
const KEPT: usize = 1000;

/// Words that are shown where several fit, the most frequent first.
const SHOWN: usize = 60;

/// A prompt at the terminal, whatever standard output is.
pub(crate) struct Prompt {
    editor: Editor<Words, FileHistory>,
    history: Option<PathBuf>,
}

impl Prompt {
    /// A prompt that completes the words of a vocabulary, and `commands` at the beginning of a line.
    ///
    /// # Errors
    /// When there is no terminal that can be read.
    pub(crate) fn new(
        vocab: Option<&Vocab>,
        commands: &'static [&'static str],
    ) -> io::Result<Self> {
        let config = Config::builder()
            .behavior(Behavior::PreferTerm)
            .completion_type(CompletionType::List)
            .max_history_size(KEPT)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(io::Error::other)?;
        let mut editor = Editor::with_config(config.build()).map_err(io::Error::other)?;
        editor.set_helper(Some(Words { vocab: vocab.cloned(), commands }));
        let directory = cache::directory();
        let history = cache::prepare(&directory).ok().map(|()| directory.join("history"));
        if let Some(history) = &history {
            // A first session has none.
            let _ = editor.load_history(history);
        }
        Ok(Self { editor, history })
    }

    /// The next line; `None` when there are no more.
    ///
    /// # Errors
    /// When the terminal can't be read.
    pub(crate) fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            match self.editor.readline("> ") {
                Ok(line) => {
                    // A history that can't be kept is no reason to give no answer.
                    let _ = self.editor.add_history_entry(&line);
                    return Ok(Some(line));
                }
                // The line is given up, as in a shell.
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(None),
                Err(ReadlineError::Io(error)) => return Err(error),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        if let Some(history) = &self.history {
            let _ = self.editor.append_history(history);
        }
    }
}

/// What can be completed.
struct Words {
    vocab: Option<Vocab>,
    commands: &'static [&'static str],
}

impl Words {
    /// Where the word before the cursor begins, behind a sign and a weight.
    fn begin(line: &str) -> usize {
        let begin = line
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
        let term = &line[begin..];
        let unsigned = term.strip_prefix(['+', '-']).unwrap_or(term);
        let word = match unsigned.split_once('*') {
            Some((weight, word)) if weight.parse::<f32>().is_ok() => word,
            _ => unsigned,
        };
        line.len() - word.len()
    }

    /// What may stand at the end of a line, the most frequent first. Words that a terminal can't show
    /// are left out. Where there are more than [`SHOWN`], the first and the last by their bytes are
    /// among those that are given, so that all begin as the given ones do.
    fn fitting(&self, line: &str) -> (usize, Vec<String>) {
        let begin = Self::begin(line);
        let prefix = &line[begin..];
        let commands = self.commands.iter().filter(|name| begin == 0 && name.starts_with(prefix));
        let mut found: Vec<String> = commands.map(ToString::to_string).collect();
        if let (Some(vocab), false) = (&self.vocab, prefix.is_empty()) {
            let all = vocab.beginning_with(prefix.as_bytes());
            let mut ids = all.to_vec();
            ids.sort_unstable();
            ids.truncate(SHOWN);
            if all.len() > SHOWN {
                ids.extend([all[0], all[all.len() - 1]]);
            }
            let plain = |id: &u32| std::str::from_utf8(vocab.word(*id)).is_ok_and(is_plain);
            let words = ids.iter().filter(|id| plain(id)).map(|&id| vocab.text(id));
            let words: Vec<String> = words.filter(|word| !found.contains(word)).collect();
            found.extend(words);
        }
        (begin, found)
    }
}

/// Whether a word can be shown, and typed as one word.
fn is_plain(word: &str) -> bool {
    !word.contains(char::is_whitespace) && show::shown(word) == word
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.fitting(&line[..at]))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Validator for Words {}

impl Helper for Words {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_behind_signs_and_weights() {
        let names = ["king", "kin", "kingdom", "queen", "new york", "kin\u{1b}"];
        let words = Words { vocab: Some(Vocab::new(&names, vec![])), commands: &["rank", "quit"] };
        let cases: [(&str, usize, &[&str]); 8] = [
            ("ki", 0, &["king", "kin", "kingdom"]),
            ("q", 0, &["quit", "queen"]),
            ("rank q", 5, &["queen"]),
            ("king -qu", 6, &["queen"]),
            ("king - 0.5*ki", 11, &["king", "kin", "kingdom"]),
            ("é\u{3000}kingd", 5, &["kingdom"]),
            ("n", 0, &[]),
            ("king ", 5, &[]),
        ];
        for (line, begin, found) in cases {
            assert_eq!(
                words.fitting(line),
                (begin, found.iter().map(ToString::to_string).collect())
            );
        }
    }

    #[test]
    fn all_words_begin_as_those_that_are_shown() {
        let names: Vec<String> = (0..1000).map(|i| format!("a{i}")).chain(["ab".into()]).collect();
        let words = Words { vocab: Some(Vocab::new(&names, vec![])), commands: &[] };
        let (_, found) = words.fitting("a");
        assert_eq!(found.len(), SHOWN + 2);
        assert!(found[0] == "a0" && found.last().unwrap() == "ab");
    }
}
