//! Any bytes are a model in one of the formats or an error.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wordloom::format;
use wordloom::Mapped;

fuzz_target!(|input: &[u8]| {
    if let Ok(model) = format::parse(Path::new("fuzzed"), &Mapped::from(input)) {
        assert_eq!(model.input().len(), model.vocab.len() * model.dim());
        for id in 0..model.vocab.len().min(10) as u32 {
            let _ = (model.vocab.word(id), model.vector(id));
        }
        for word in ["a", "unseen", "", "言葉"] {
            let _ = model.find(word);
        }
    }
});
