//! Plays the kept inputs again: seeds, and what once broke something.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hostile::TARGETS;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The files of a folder, in order of name; none when there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

/// Prints the file when the target panics: the panic itself does not know it.
struct Heard<'a>(&'a Path);

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("heard: {}", self.0.display());
        }
    }
}

#[test]
fn what_was_heard_before_breaks_nothing() {
    for target in TARGETS {
        let seeds = files(&fuzz().join("seeds").join(target.name));
        assert!(!seeds.is_empty(), "no seeds for {target:?}");
        let kept = files(&fuzz().join("regressions").join(target.name));
        for path in seeds.iter().chain(&kept) {
            let heard = Heard(path);
            (target.hears)(&fs::read(path).expect("an input"));
            drop(heard);
        }
    }
}

/// Inputs that change with the seed alone, so that each target is heard in places where no kept input goes.
#[test]
fn noise_breaks_nothing() {
    for target in TARGETS {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for length in (0..200).step_by(3) {
            let noise: Vec<u8> = (0..length)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state.to_le_bytes()[3]
                })
                .collect();
            (target.hears)(&noise);
        }
    }
}

#[test]
fn each_target_has_its_program_and_each_folder_its_target() {
    let names: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    let stems = |folder: &str| -> BTreeSet<String> {
        files(&fuzz().join(folder))
            .iter()
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect()
    };
    assert_eq!(stems("fuzz_targets"), names);
    assert_eq!(stems("seeds"), names);
    let strange: Vec<_> = stems("regressions").difference(&names).cloned().collect();
    assert!(strange.is_empty(), "{strange:?}");
}
