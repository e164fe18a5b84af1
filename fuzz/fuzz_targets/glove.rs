//! Models in the format `glove`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| wordloom_fuzz::model("glove", input));
