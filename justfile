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

# Hostile files; the folder keeps what was found. Wants `cargo install cargo-fuzz`.
fuzz target folder seconds="600":
    cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run -s none {{target}} {{absolute_path(folder)}} -- \
        -max_total_time={{seconds}} -max_len=16384 -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256

deny:
    cargo deny check

ci:
    bash .ci/run
