//! Files of co-occurrence counts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wordloom::format::counts;

fuzz_target!(|input: &[u8]| {
    wordloom_fuzz::with_file(input, |path, _| {
        let _ = counts::read(path, None);
    });
});
