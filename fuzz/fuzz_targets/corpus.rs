//! Encoded corpora.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wordloom::Corpus;

fuzz_target!(|input: &[u8]| {
    wordloom_fuzz::with_file(input, |path, _| {
        if let Ok(corpus) = Corpus::open(path) {
            corpus.sentences(0..corpus.tokens().len()).for_each(drop);
        }
    });
});
