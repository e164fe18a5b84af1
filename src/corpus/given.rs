//! A corpus of sentences that a program gives one after another, each once.

use std::path::{Path, PathBuf};

use super::encode::{choose, translation};
use super::{Corpus, CorpusWriter, Counter, Facts, TextOptions};
use crate::error::{Error, Result};
use crate::memory::{Mapped, Staged};
use crate::text::{Divided, Splitter, Token};

/// In the spool, this value ends a sentence.
const NONE: u32 = u32::MAX;
/// This many ids are written to the spool at a time.
const BATCH: usize = 1 << 16;

/// Counts the words of sentences, and writes provisional ids to a spool file beside the corpus; when
/// all are there, the vocabulary is known, and they are translated. The corpus is that of a text file
/// with a line for each sentence.
pub struct Given<'a> {
    options: &'a TextOptions,
    path: PathBuf,
    splitter: Splitter,
    divided: Divided,
    words: Counter,
    ids: Vec<u32>,
    spool: Staged,
    bytes: u64,
}

impl<'a> Given<'a> {
    /// Begins the corpus that will be at `path`, with the words that the options keep. Their inputs
    /// are not read.
    ///
    /// # Errors
    /// A folder that can't be written to, or a file of pieces that can't be read.
    pub fn new(options: &'a TextOptions, path: &Path) -> Result<Self> {
        Ok(Self {
            options,
            path: path.into(),
            splitter: Splitter::new(options.tokenizer, options.pieces.as_deref())?,
            divided: Divided::default(),
            words: Counter::default(),
            ids: Vec::new(),
            spool: Staged::new(&path.with_extension("spool"))?,
            bytes: 0,
        })
    }

    /// Adds a word to the sentence, as it is.
    pub fn word(&mut self, word: &str) {
        self.bytes += word.len() as u64 + 1;
        self.ids.push(self.words.add(word.as_bytes(), 1));
    }

    /// Adds the words of a text to the sentence, split as the options say. A line end in it ends the
    /// sentence.
    pub fn text(&mut self, text: &str) {
        let Self { splitter, divided, words, ids, bytes, .. } = self;
        *bytes += text.len() as u64 + 1;
        splitter.split(text.as_bytes(), divided, |token| match token {
            Token::Word(word) => ids.push(words.add(word, 1)),
            Token::End => ids.push(NONE),
        });
    }

    /// Ends the sentence.
    ///
    /// # Errors
    /// A full disk.
    pub fn end(&mut self) -> Result<()> {
        self.ids.push(NONE);
        if self.ids.len() >= BATCH {
            self.spool.put(bytemuck::cast_slice(&self.ids))?;
            self.ids.clear();
        }
        Ok(())
    }

    /// The words so far.
    pub fn len(&self) -> u64 {
        self.words.tokens()
    }

    /// Whether there is no word yet.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Makes the corpus.
    ///
    /// # Errors
    /// No word at all, none that is frequent enough, or a full disk.
    pub fn finish(mut self) -> Result<Corpus> {
        if self.is_empty() {
            return Err(Error::Refused("no word was given".into()));
        }
        self.spool.put(bytemuck::cast_slice(&self.ids))?;
        std::io::Write::flush(&mut self.spool).map_err(Error::io(&self.path))?;
        let vocab = choose(self.options, &self.words)?;
        let ids = translation(&self.words, &vocab);
        let mut writer = CorpusWriter::new(&self.path)?;
        let spooled = Mapped::open(self.spool.temporary())?;
        let spooled: &[u32] = bytemuck::cast_slice(&spooled);
        let mut sentence = Vec::new();
        for words in spooled.split(|&id| id == NONE) {
            sentence.clear();
            let known = words.iter().map(|&word| ids[word as usize]).filter(|&id| id != NONE);
            sentence.extend(known);
            writer.tokens(&sentence)?;
            writer.end_sentence();
        }
        let facts = Facts {
            words_read: self.words.tokens(),
            types_read: self.words.len() as u64,
            bytes_read: self.bytes,
            ..Facts::default()
        };
        writer.finish(&vocab, facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::encode;
    use crate::corpus::encode::tests::options;
    use crate::progress::Progress;
    use crate::text::Tokenizer;

    #[test]
    fn the_corpus_is_that_of_a_file_with_these_lines() {
        let folder = tempfile::tempdir().unwrap();
        let (text, one, two) =
            (folder.path().join("t"), folder.path().join("one"), folder.path().join("two"));
        let lines: Vec<String> = (0..40_000)
            .map(|i| match i % 7 {
                0 => String::new(),
                n => (0..n).map(|j| format!("W{} ", (i * j) % 911)).collect(),
            })
            .collect();
        std::fs::write(&text, lines.join("\n") + "\n").unwrap();
        let lowercase = Tokenizer { lowercase: true, ..Tokenizer::default() };
        let options = TextOptions { min_count: 3, tokenizer: lowercase, ..options(&[&text]) };
        let file = encode(&options, &one, &Progress::default()).unwrap();
        let mut given = Given::new(&options, &two).unwrap();
        for (i, line) in lines.iter().enumerate() {
            if i % 2 == 0 {
                given.text(line);
            } else {
                line.split_whitespace().for_each(|word| given.word(&word.to_lowercase()));
            }
            given.end().unwrap();
        }
        assert_eq!(given.len(), file.facts.words_read);
        let same = given.finish().unwrap();
        assert_eq!(same.tokens(), file.tokens());
        assert_eq!(same.ends(), file.ends());
        assert_eq!(same.facts.hash, file.facts.hash);
        assert!(same.vocab.words().eq(file.vocab.words()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no spool is left");
        let none = Given::new(&options, &two).unwrap();
        assert!(none.finish().is_err());
    }
}
