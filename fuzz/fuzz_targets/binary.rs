//! Models in the format `binary`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| wordloom_fuzz::model("binary", input));
