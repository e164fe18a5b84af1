//! The tables of transformers: safetensors of others, and GGUF.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wordloom::tables::{InputTables, Roles, Weights};

fuzz_target!(|input: &[u8]| {
    wordloom_fuzz::with_file(input, |path, _| {
        let Ok(weights) = Weights::open(path) else { return };
        let _ = Roles::of(&weights).tied;
        for weight in &weights.tensors {
            if let Ok(table) = weights.table(&weight.name) {
                wordloom_fuzz::check(&table);
            }
        }
        if let Ok(tables) = InputTables::of(&weights) {
            let _ = tables.vectors(&[0, 1, u32::MAX], 1);
        }
    });
});
