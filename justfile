# What a developer types. `just ci` is what a change must pass.

default: test

fmt:
    cargo fmt --all

lint:
    cargo clippy --all-targets -- -D warnings
    cargo clippy --lib --examples --no-default-features -- -D warnings

test:
    cargo test

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

# Speed of training on a corpus, beside the processor's peak in the same minutes.
bench corpus method="skip-gram":
    cargo bench --bench training -- {{corpus}} {{method}}

# Every figure of speed beside an older commit and programs from PyPI; the record goes to benches/record.
bench-all corpus *options:
    python3 benches/all.py {{corpus}} {{options}}

# Hostile files for one reader, beginning with fuzz/seeds; what is found is kept in fuzz/corpus and
# fuzz/artifacts. Wants `cargo install cargo-fuzz`.
fuzz target seconds="600":
    mkdir -p fuzz/corpus/{{target}}
    cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run -s none {{target}} corpus/{{target}} seeds/{{target}} -- \
        -max_total_time={{seconds}} -max_len=16384 -timeout=5 -rss_limit_mb=1024 -malloc_limit_mb=64

# Every reader in turn.
fuzz-all seconds="600":
    for target in fuzz/fuzz_targets/*.rs; do just fuzz $(basename $target .rs) {{seconds}} || exit 1; done

# What Miri can run of the build without assembly. Wants a nightly toolchain with Miri.
miri:
    MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --features portable --lib -- \
        math:: memory::portable memory::shared random:: stats:: text::tokenizer subword::

# The Python package, as a wheel in target/wheels.
wheel:
    python3 -m pip wheel --no-deps --wheel-dir target/wheels ./crates/python

deny:
    cargo deny check

ci:
    bash .ci/run
