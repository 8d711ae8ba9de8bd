//! What holds for whatever is typed after one of the old names.

use std::fmt::Debug;

use clap::FromArgMatches;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{OldName, command, cp, key, run};

/// Options of each name, as they are typed: alone, with a value, and with it in one word.
const SALT: &[&[&str]] = &[
    &["-L"],
    &["--summary"],
    &["-v"],
    &["--static"],
    &["-b", "2"],
    &["--batch-size=10%"],
    &["-t", "5"],
    &["--out", "json"],
    &["--out=txt"],
    &["--subset=1"],
    &["--site", "eu/ams"],
    &["--hide-timeout"],
    &["--state-output=terse"],
    &["--no-parse", "a,b"],
    &["--async"],
    &["-c", "/etc/banyan"],
    &["-l", "debug"],
];
const RUN: &[&[&str]] = &[
    &["--async"],
    &["--quiet"],
    &["-d"],
    &["-t", "-1"],
    &["--out", "yaml"],
    &["--skip-grains"],
    &["-c", "/etc/banyan"],
];
const KEY: &[&[&str]] = &[
    &["-L"],
    &["-y"],
    &["--include-all"],
    &["--out=json"],
    &["-a", "web*"],
    &["--no-color"],
];
const CP: &[&[&str]] = &[&["-E"], &["-C"], &["-t", "9"], &["--out", "json"], &["-n"]];

/// Words that are no options, though some look a little like them.
const WORDS: &[&str] = &[
    "web*",
    "*",
    "test.ping",
    "cmd.run",
    "a=1",
    "a=--b",
    "-5",
    "-1.5",
    "",
    "two words",
    "{x: [1, 2]}",
    "ä\u{301}",
    "%ops",
];

/// What is understood, in the words of Debug; None when it is refused.
fn understood<T: FromArgMatches + Debug>(name: OldName, words: &[String]) -> Option<String> {
    let typed = std::iter::once(name.as_str()).chain(words.iter().map(String::as_str));
    let matches = name.definition().try_get_matches_from(typed).ok()?;
    let understood = T::from_arg_matches(&matches).ok()?;
    Some(format!("{understood:?}"))
}

fn understood_as(name: OldName, words: &[String]) -> Option<String> {
    match name {
        OldName::Salt => understood::<command::Arguments>(name, words),
        OldName::Run => understood::<run::Arguments>(name, words),
        OldName::Key => understood::<key::Arguments>(name, words),
        OldName::Cp => understood::<cp::Arguments>(name, words),
    }
}

fn options(name: OldName) -> &'static [&'static [&'static str]] {
    match name {
        OldName::Salt => SALT,
        OldName::Run => RUN,
        OldName::Key => KEY,
        OldName::Cp => CP,
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Each option at most once, with a place among the words for each.
fn typed(name: OldName) -> impl Strategy<Value = (Vec<Vec<String>>, Vec<String>, Vec<Index>)> {
    let all = options(name);
    let words = match name {
        // It takes none.
        OldName::Key => Just(Vec::new()).boxed(),
        _ => prop::collection::vec(select(WORDS), 0..6).boxed(),
    };
    (
        prop::sample::subsequence(all.to_vec(), 0..=all.len()).prop_shuffle(),
        words,
        prop::collection::vec(any::<Index>(), all.len()),
    )
        .prop_map(|(options, words, places)| {
            let options = options.iter().map(|option| owned(option)).collect();
            (options, owned(&words), places)
        })
}

/// Options may stand anywhere among the words, and mean the same.
fn order_means_nothing(name: OldName) {
    proptest!(|((options, words, places) in typed(name))| {
        let first: Vec<String> = options.iter().flatten().chain(&words).cloned().collect();
        // Pieces that stay together, each at its place.
        let mut pieces: Vec<Vec<String>> = words.iter().map(|word| vec![word.clone()]).collect();
        for (option, place) in options.iter().zip(&places) {
            pieces.insert(place.index(pieces.len() + 1), option.clone());
        }
        let mixed: Vec<String> = pieces.into_iter().flatten().collect();
        prop_assert_eq!(understood_as(name, &mixed), understood_as(name, &first), "{:?}", mixed);
        // One option alone can't contradict another.
        if options.len() == 1 && words.iter().all(|word| !word.starts_with('-')) {
            prop_assert!(understood_as(name, &first).is_some(), "{:?}", first);
        }
    });
}

#[test]
fn options_stand_anywhere() {
    for name in OldName::ALL {
        order_means_nothing(name);
    }
}

/// What is no option is a word, in its place, as it was typed.
#[test]
fn words_stay_as_they_are() {
    proptest!(|((options, words, _) in typed(OldName::Salt))| {
        let typed: Vec<String> = options.iter().flatten().chain(&words).cloned().collect();
        if let Some(understood) = understood_as(OldName::Salt, &typed) {
            let expected = format!("words: {words:?}");
            prop_assert!(understood.contains(&expected), "{} lacks {}", understood, expected);
        }
    });
}

/// After two dashes nothing is an option.
#[test]
fn two_dashes_end_the_options() {
    proptest!(|(words in prop::collection::vec(".{0,12}", 0..6))| {
        let typed: Vec<String> = std::iter::once("--".to_owned()).chain(words.clone()).collect();
        for name in [OldName::Salt, OldName::Run] {
            let understood = understood_as(name, &typed).unwrap_or_default();
            let expected = format!("words: {words:?}");
            prop_assert!(understood.contains(&expected), "{} lacks {}", understood, expected);
        }
    });
}

/// Whatever is typed is understood or refused.
#[test]
fn nothing_breaks_the_reader() {
    let long: Vec<String> = OldName::ALL.into_iter().flat_map(long_options).collect();
    let word = prop_oneof![
        ".{0,12}",
        "-{1,3}[a-zA-Z]{0,4}=?.{0,3}",
        select(long),
        select(WORDS).prop_map(str::to_owned),
    ];
    proptest!(|(words in prop::collection::vec(word, 0..8))| {
        for name in OldName::ALL {
            let _ = understood_as(name, &words);
        }
    });
}

/// The long options of a name that can be typed, with two dashes.
fn long_options(name: OldName) -> Vec<String> {
    let definition = name.definition();
    let mut all = vec!["--help".to_owned()];
    for argument in definition.get_arguments() {
        let aliases = argument.get_all_aliases().unwrap_or_default();
        all.extend(
            argument
                .get_long()
                .into_iter()
                .chain(aliases)
                .map(|name| format!("--{name}")),
        );
    }
    all
}

/// The beginning of a long option is that option where no other begins so, as with Python's reader.
#[test]
fn a_beginning_is_enough() {
    for name in OldName::ALL {
        let all = long_options(name);
        for option in &all {
            for end in 4..option.len() {
                let beginning = &option[..end];
                let others = all
                    .iter()
                    .filter(|other| other.starts_with(beginning))
                    .count();
                if others > 1 {
                    continue;
                }
                // With and without a value: one of both is how it is typed.
                for value in ["", "=1"] {
                    assert_eq!(
                        understood_as(name, &[format!("{beginning}{value}")]),
                        understood_as(name, &[format!("{option}{value}")]),
                        "{} {beginning}{value}",
                        name.as_str()
                    );
                }
            }
        }
    }
}
