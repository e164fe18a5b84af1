//! Texts, plain or packed with gzip or zstd, and the words in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wordloom::Progress;
use wordloom::corpus::{TextOptions, Tokenizer, encode};

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    wordloom_fuzz::with_file(rest, |path, folder| {
        let tokenizer = Tokenizer { lowercase: first & 1 == 1, unicode_words: first & 2 == 2 };
        let text = TextOptions {
            inputs: vec![path.to_path_buf()],
            tokenizer,
            min_count: 1,
            ..TextOptions::default()
        };
        let _ = encode(&text, &folder.join("corpus"), &Progress::default());
    });
});
