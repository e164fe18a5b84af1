//! Tokenizers: `tokenizer.json`, and how it divides a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wordloom::corpus::TextOptions;

fuzz_target!(|input: &[u8]| {
    wordloom_fuzz::with_file(input, |path, _| {
        let json = path.with_extension("json");
        std::fs::copy(path, &json).expect("a copy of the input");
        let options = TextOptions { pieces: Some(json), ..TextOptions::default() };
        if let Ok(Some(pieces)) = options.rules() {
            let known = |piece: &[u8]| piece.first().map(|&byte| u32::from(byte));
            let _ = pieces.split(known, "Unbelievable, \u{e9}t\u{e9} 12345\n  \u{4e2d}it's");
            let _ = (pieces.around(), pieces.unknown());
        }
    });
});
