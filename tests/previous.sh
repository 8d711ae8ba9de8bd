#!/usr/bin/env bash
# Builds the programs of the previous release once, for the tests that let neighbouring releases work in one tree, and
# prints the directory in which they are.
#
# `tests/integration/previous.txt` names the release: its tag and its commit. The commit decides, since a clone may lack
# tags. Sources and programs stay below the target directory, in `previous/COMMIT`. CARGO_TARGET_DIR is respected.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

read -r tag commit <tests/integration/previous.txt
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
place=$target/previous/$commit
programs=(top-master syndic minion)
if [[ -e $place/bin ]]; then
    echo "$place/bin"
    exit
fi

mkdir -p "$place"
exec 9>"$place/lock"
flock 9 # Of two test programs one builds.
if [[ ! -e $place/bin ]]; then
    if ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
        echo "The sources of $tag ($commit) are not in this clone: git fetch --unshallow" >&2
        exit 1
    fi
    echo "Building $tag, once" >&2
    rm -rf "$place/source" "$place/new"
    mkdir -p "$place/source" "$place/new"
    git archive "$commit" | tar -x -C "$place/source"
    # Nobody looks into these programs: without what debuggers read they are built sooner.
    (
        cd "$place/source"
        export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
        cargo build --locked "${programs[@]/#/--package=}" --target-dir "$place/build" >&2
    )
    cp "${programs[@]/#/$place/build/debug/}" "$place/new"
    mv "$place/new" "$place/bin"
    rm -rf "$place/build"
fi
echo "$place/bin"
