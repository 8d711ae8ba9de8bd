//! The tables of all runners.

use std::collections::BTreeSet;

use super::*;

#[test]
fn every_function_has_a_signature_and_words() {
    let mut seen = BTreeSet::new();
    for (shown, runner) in all() {
        assert!(
            Signature::parse(runner.signature).is_some(),
            "{shown}: {}",
            runner.signature
        );
        assert!(runner.doc.ends_with('.'), "{shown}: {}", runner.doc);
        assert!(runner.name.contains('.'), "{shown}");
        // A plain name is one function alone, so that wheel functions can be called without their prefix.
        assert!(seen.insert(runner.name), "{shown} is there twice");
    }
}

#[test]
fn an_unknown_name_gets_those_of_its_module() {
    let words = unknown("manage.upp");
    assert!(words.contains("near ones are manage."), "{words}");
    assert!(words.contains("manage.up, ") || words.ends_with("manage.up"));
    let words = unknown("nosuch.fun");
    assert!(words.contains("there are those of") && words.contains("manage"));
}

#[test]
fn rights_follow_what_a_function_shows() {
    assert_eq!(area("manage.up"), Area::Runner);
    assert_eq!(area("jobs.list_jobs"), Area::Jobs);
    assert_eq!(area("no.such"), Area::Runner);
}

#[test]
fn an_answer_that_fits_no_frame_is_refused() {
    let long = "x".repeat(limits::MAX_RETURN + 1);
    assert!(matches!(
        fitting(Value::from(long).into()),
        Err(Trouble::Failure(failure)) if failure.text.contains("ask for less")
    ));
    assert!(fitting(json!({"a": 1}).into()).is_ok());
}
