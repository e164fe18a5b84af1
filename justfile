# What a developer types. `just ci` is what a change must pass.

default: test

fmt:
    cargo fmt --all

lint:
    cargo clippy --all-targets -- -D warnings

test:
    cargo test

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

# Speed of training on a corpus, beside the processor's peak in the same minutes.
bench corpus method="skip-gram":
    cargo bench --bench training -- {{corpus}} {{method}}

deny:
    cargo deny check

ci:
    bash .ci/run
