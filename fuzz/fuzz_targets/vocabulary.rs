//! Files of `word count` lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wordloom::Vocab;

fuzz_target!(|input: &[u8]| {
    wordloom_fuzz::with_file(input, |path, _| {
        if let Ok(vocab) = Vocab::read(path) {
            assert_eq!(vocab.len(), vocab.counts.len());
        }
    });
});
