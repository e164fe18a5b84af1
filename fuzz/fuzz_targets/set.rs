//! Sets of questions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use wordloom::eval::{Set, SetOptions};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    if let Ok(set) = Set::parse(Path::new("set"), "set", &text, &SetOptions::default()) {
        assert!(!set.kind().is_empty() && !set.how.is_empty());
    }
});
