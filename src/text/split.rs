//! How the text of a corpus is split: into words, or into the pieces of a model's vocabulary.

use std::path::Path;

use hashbrown::{HashMap, HashSet};

use super::{Pieces, Token, Tokenizer, Tokens};
use crate::error::{Error, Result};

/// Words that are remembered with their pieces; when there are more, all are forgotten.
const REMEMBERED: usize = 1 << 18;

/// How text is split.
pub(crate) enum Splitter {
    /// Into words.
    Words(Tokenizer),
    /// Into the pieces of a vocabulary.
    Pieces(Pieces, HashSet<Vec<u8>>),
}

/// The words that were divided before: the bytes of their pieces, and where each ends.
#[derive(Default)]
pub(crate) struct Divided(HashMap<String, (Vec<u8>, Vec<usize>)>);

/// What says how text is divided into the pieces of a vocabulary: `vocab.txt`, `vocab.json`,
/// `tokenizer.json`, or a folder with one of them.
///
/// # Errors
/// A file of another kind, or a tokenizer whose rules are not known.
pub(crate) fn open_pieces(path: &Path) -> Result<(Pieces, Tokens)> {
    let mut tokens = if path.is_dir() {
        let missing = || Error::input(path, "no tokenizer.json, vocab.json or vocab.txt in it");
        Tokens::of_folder(path)?.ok_or_else(missing)?
    } else {
        Tokens::of_file(path)?
    };
    let path = tokens.path.clone();
    let unknown = || {
        let problem = "no tokenizer whose rules are known: WordPiece with BERT's steps, or byte \
                       pairs with the patterns of GPT-2, GPT-4, Llama 3 or Qwen; split the text by \
                       the tokenizer itself, and its pieces are words";
        Error::input(path, problem)
    };
    let pieces = tokens.pieces.take().ok_or_else(unknown)?;
    Ok((pieces, tokens))
}

impl Splitter {
    /// Into words, or where a file of `pieces` is given, into these.
    ///
    /// # Errors
    /// As [`open_pieces`].
    pub(crate) fn new(tokenizer: Tokenizer, pieces: Option<&Path>) -> Result<Self> {
        let Some(path) = pieces else { return Ok(Self::Words(tokenizer)) };
        if tokenizer != Tokenizer::default() {
            let problem = "has rules of its own for letters and words: leave out `lowercase` and \
                           `unicode_words`";
            return Err(Error::input(path, problem));
        }
        let (pieces, tokens) = open_pieces(path)?;
        Ok(Self::Pieces(pieces, tokens.named.into_iter().map(|(_, name)| name).collect()))
    }

    /// Whether the space before a word belongs to it, so that lines have to stay whole.
    pub(crate) fn spaces_matter(&self) -> bool {
        matches!(self, Self::Pieces(pieces, _) if pieces.word_piece().is_none())
    }

    /// Calls `each` with the words of a text, or its pieces, and with the ends of its lines.
    pub(crate) fn split(&self, text: &[u8], divided: &mut Divided, mut each: impl FnMut(Token)) {
        let (pieces, names) = match self {
            Self::Words(tokenizer) => return tokenizer.split(text, each),
            Self::Pieces(pieces, names) => (pieces, names),
        };
        for (i, line) in text.split(|&b| b == b'\n').enumerate() {
            if i > 0 {
                each(Token::End);
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            pieces.words(&String::from_utf8_lossy(line), &mut |word| {
                let ((bytes, ends), mut begin) = (divided.get(pieces, names, word), 0);
                for &end in ends {
                    each(Token::Word(&bytes[begin..end]));
                    begin = end;
                }
            });
        }
    }
}

impl Divided {
    /// The pieces of a word.
    fn get(
        &mut self,
        pieces: &Pieces,
        names: &HashSet<Vec<u8>>,
        word: &str,
    ) -> &(Vec<u8>, Vec<usize>) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.entry_ref(word).or_insert_with(|| {
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            let unknown = pieces.unknown().map(str::as_bytes);
            pieces.divide(word, |piece| names.contains(piece), &mut |piece| {
                if let Some(piece) = piece.or(unknown) {
                    bytes.extend_from_slice(piece);
                    ends.push(bytes.len());
                }
            });
            (bytes, ends)
        })
    }
}
