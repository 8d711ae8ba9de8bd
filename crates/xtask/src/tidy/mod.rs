//! Checks of the whole tree. Each gets the workspace as a value, so that its tests pass one of their own.

mod arrows;
mod fences;
mod house;
mod length;
mod links;
mod map;
mod pages;
mod versions;
mod words;

use std::process::ExitCode;

use crate::workspace::Workspace;

/// What a check found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What has to be mended, with its place.
    pub faults: Vec<String>,
    /// What is worth a look.
    pub notes: Vec<String>,
}

impl Findings {
    fn fault(&mut self, text: impl Into<String>) {
        self.faults.push(text.into());
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

type Check = fn(&Workspace, &mut Findings);

/// All checks, each with the sentence that holds when it finds nothing.
const CHECKS: &[(&str, Check)] = &[
    ("crates depend on what the house allows", arrows::check),
    (
        "each foreign library stays in its crates",
        fences::libraries,
    ),
    (
        "programs are started, and clocks read, where they may be",
        fences::calls,
    ),
    ("the map of crates is true", map::check),
    (
        "no crate is locked in two versions without a reason",
        versions::check,
    ),
    ("no file is too long", length::check),
    ("generated pages are fresh", pages::check),
    ("links between pages lead somewhere", links::check),
    ("no paths of one machine, no unfinished work", words::check),
];

/// Runs all checks and prints what they found.
pub fn run(workspace: &Workspace) -> ExitCode {
    let mut faults = 0;
    for (sentence, check) in CHECKS {
        let mut findings = Findings::default();
        check(workspace, &mut findings);
        let word = if findings.faults.is_empty() {
            "ok"
        } else {
            "FAULT"
        };
        println!("{word:5} {sentence}");
        for note in &findings.notes {
            println!("      note: {note}");
        }
        for fault in &findings.faults {
            println!("      {fault}");
        }
        faults += findings.faults.len();
    }
    if faults == 0 {
        return ExitCode::SUCCESS;
    }
    println!("{faults} to mend");
    ExitCode::FAILURE
}

/// Runs one check in a test; its faults and notes.
#[cfg(test)]
fn found(check: Check, workspace: &Workspace) -> Findings {
    let mut findings = Findings::default();
    check(workspace, &mut findings);
    findings
}
