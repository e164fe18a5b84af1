//! Models of fastText: bytes behind its magic number and version. The first byte chooses the version.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let version = 11 + i32::from(first & 1);
    let file = [&793_712_314i32.to_le_bytes()[..], &version.to_le_bytes(), rest].concat();
    wordloom_fuzz::model("fasttext", &file);
});
