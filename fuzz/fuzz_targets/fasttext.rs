//! Bytes behind fastText's magic number and version are a model or an error. The first byte chooses
//! the version.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wordloom::format;
use wordloom::Mapped;

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let version = 11 + i32::from(first & 1);
    let file = [&793_712_314i32.to_le_bytes()[..], &version.to_le_bytes(), rest].concat();
    if let Ok(model) = format::parse(Path::new("fuzzed"), &Mapped::from(&file[..])) {
        assert_eq!(model.input().len(), model.vocab.len() * model.dim());
        for word in ["a", "unseen", "", "言葉"] {
            let _ = model.find(word);
        }
    }
});
