#!/usr/bin/env bash
# Checks and tests everything: format, build, tidy, clippy, documentation, tests. Ends at the first step that fails.
#
#   tests/run.sh                   everything
#   tests/run.sh --quick           without the tests that drive the built programs, and without the counts
#   tests/run.sh -- NAME           what follows `--` goes to `cargo test`
#
# Works from a fresh clone on Debian 12. As root it installs the packages that are missing; as another user it names them.
# Rust comes from rustup. CARGO_TARGET_DIR is respected.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

quick=no
while (($#)); do
    case $1 in
        --quick) quick=yes ;;
        -h | --help) usage; exit 0 ;;
        --) shift; break ;;
        *) break ;;
    esac
    shift
done

step() {
    local headline=$1 begin=$SECONDS
    shift
    printf '\n==== %s\n' "$headline"
    if ! "$@"; then
        printf '\n==== FAILED: %s, after %d s: %s\n' "$headline" $((SECONDS - begin)) "$*" >&2
        exit 1
    fi
    times+=("$(printf '%5d s  %s' $((SECONDS - begin)) "$headline")")
}

rust() {
    local wanted
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! command -v cargo >/dev/null; then
        echo "Rust $wanted or newer is missing: https://rustup.rs, with rustfmt and clippy" >&2
        return 1
    fi
    if ! cargo fmt --version >/dev/null || ! cargo clippy --version >/dev/null; then
        echo "rustfmt or clippy is missing: rustup component add rustfmt clippy" >&2
        return 1
    fi
    cargo --version
}

# The binary itself: `cargo run --package xtask` would compile its dependencies once more, with the features of it alone.
tidy() { "$target/debug/xtask" tidy; }
counts() { "$target/debug/xtask" counts; }

deny() {
    if cargo deny --version >/dev/null 2>&1; then
        cargo deny --workspace check --hide-inclusion-graph
    else
        echo "skipped: cargo-deny is not installed (cargo install cargo-deny)"
    fi
}

target=${CARGO_TARGET_DIR:-target}
times=()
tests=(--workspace)
if [[ $quick == yes ]]; then
    tests+=(--exclude integration)
fi

# Two compilations with one set of features: build (programs, tests) and check (clippy, documentation).
step "Debian packages" tests/packages.sh test
step "Rust" rust
step "format" cargo fmt --all --check
step "build" cargo build --workspace --all-targets --locked
step "tidy" tidy
step "licences and advisories" deny
step "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
if [[ $quick == no ]]; then
    step "programs of the previous release" tests/previous.sh
fi
# Ctrl-C is tested, which whoever starts this in the background has switched off.
step "tests" env --default-signal=INT,QUIT cargo test "${tests[@]}" --locked "$@"
# Alone, so that no program is built with the bugs.
step "planted bugs are found" cargo test --package sim --features planted --test planted --locked
if [[ $quick == no ]]; then
    step "instructions are as recorded" counts
fi

printf '\n==== All steps passed\n'
printf '%s\n' "${times[@]}"
