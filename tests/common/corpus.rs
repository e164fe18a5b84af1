//! An encoded corpus, made without the command.

use std::path::Path;

use wordloom::Vocab;
use wordloom::corpus::{Corpus, CorpusWriter, Facts};

/// Writes sentences, which are indices of `words`, to `file` as a corpus that counts all of them.
pub(crate) fn write<S: AsRef<[u32]>>(
    file: &Path,
    words: &[impl AsRef<[u8]>],
    sentences: impl IntoIterator<Item = S>,
) -> Corpus {
    let mut counts = vec![0; words.len()];
    let mut writer = CorpusWriter::new(file).unwrap();
    for sentence in sentences {
        sentence.as_ref().iter().for_each(|&word| counts[word as usize] += 1);
        writer.tokens(sentence.as_ref()).unwrap();
        writer.end_sentence();
    }
    writer.finish(&Vocab::new(words, counts), Facts::default()).unwrap()
}

/// Writes documents to `file` as a corpus. Each has its tags, as indices of `tags`, and its words,
/// as indices of `words`.
#[allow(dead_code, reason = "not every test that writes a corpus writes documents")]
pub(crate) fn of_documents(
    file: &Path,
    words: &[impl AsRef<[u8]>],
    tags: &[impl AsRef<[u8]>],
    documents: &[(Vec<u32>, Vec<u32>)],
) -> Corpus {
    let (mut counts, mut tag_counts) = (vec![0; words.len()], vec![0; tags.len()]);
    let mut writer = CorpusWriter::new(file).unwrap();
    for (tags, words) in documents {
        for &word in words {
            counts[word as usize] += 1;
        }
        for &tag in tags {
            tag_counts[tag as usize] += 1;
        }
        writer.tokens(words).unwrap();
        writer.end_tagged(tags);
    }
    writer.name_tags(Vocab::new(tags, tag_counts));
    writer.finish(&Vocab::new(words, counts), Facts::default()).unwrap()
}

/// Writes sentences of words that are given as their topic and number: `id = 2 * number + topic`.
#[allow(dead_code, reason = "not every test that writes a corpus writes one of topics")]
pub(crate) fn of_topics(
    file: &Path,
    words: &[impl AsRef<[u8]>],
    sentences: impl Iterator<Item = [(usize, u32); 10]>,
) -> Corpus {
    write(
        file,
        words,
        sentences.map(|words| words.map(|(topic, number)| 2 * number + topic as u32)),
    )
}
