//! Prints the answers to plain questions.

use std::collections::BTreeMap;

use output::{document, escape, iso, json};
use serde::Serialize;
use wire::control::{Ask, JobSummary, RootsRow, Tell};
use wire::{Jid, Presence};

use crate::Session;
use crate::follow::ask_within;
use crate::lowargs::ListForm;
use crate::trouble::Trouble;

/// Asks, and prints the answer.
pub(crate) fn question(
    session: &mut Session<'_, '_>,
    ask: Ask,
    form: ListForm,
) -> Result<u8, Trouble> {
    // A fetch is judged only by one who waited for it.
    let judges_roots = matches!(ask, Ask::RootsUpdate { wait_ms: 1.., .. });
    match ask_within(&session.connect, ask, None)? {
        Tell::Jobs(rows) => list_jobs(session, form, &rows, &BTreeMap::new()),
        Tell::Tree(tree) => list(session, form, &tree, output::tree(&tree)),
        Tell::Tokens(rows) => list(session, form, &rows, output::tokens(&rows)),
        Tell::Identity(identity) => list(session, form, &identity, output::identity(&identity)),
        Tell::Roots(rows) => {
            list(session, form, &rows, output::roots(&rows))?;
            Ok(if judges_roots {
                roots_code(&rows)
            } else {
                output::OK
            })
        }
        Tell::Token {
            token,
            name,
            expires,
        } => {
            let words = serde_json::json!({ "token": token, "name": name, "expires": expires });
            list(session, form, &words, format!("{}\n", escape(&token)))?;
            if form == ListForm::Text {
                let (name, expires) = (escape(&name), iso(expires));
                session.seat.say(&format!(
                    "This is token {name}; it ends {expires} and is not shown again."
                ));
            }
            Ok(output::OK)
        }
        Tell::MayI {
            allowed,
            text,
            lines,
        } => {
            for line in std::iter::once(text).chain(lines) {
                session.print(&format!("{}\n", escape(&line)))?;
            }
            Ok(if allowed { output::OK } else { output::REFUSED })
        }
        Tell::Done => Ok(output::OK),
        Tell::Failed(failure) => Err(Trouble::Told(failure)),
        _ => Err(Trouble::Unexpected),
    }
}

/// A job of a list, for programs.
#[derive(Serialize)]
struct JobRow<'a> {
    #[serde(flatten)]
    job: &'a JobSummary,
    /// The top-master that settles it: the one that ordered it, or has adopted it.
    owner: &'a str,
}

/// Prints a list of jobs, some of which were adopted.
pub(crate) fn list_jobs(
    session: &mut Session<'_, '_>,
    form: ListForm,
    jobs: &[JobSummary],
    owners: &BTreeMap<Jid, String>,
) -> Result<u8, Trouble> {
    let row = |job| JobRow {
        job,
        owner: owners.get(&job.jid).unwrap_or(&job.origin),
    };
    let rows: Vec<JobRow<'_>> = jobs.iter().map(row).collect();
    list(session, form, &rows, output::jobs(jobs, owners))
}

/// Prints words in the form that was asked for.
pub(crate) fn list<T: Serialize>(
    session: &mut Session<'_, '_>,
    form: ListForm,
    words: &T,
    text: String,
) -> Result<u8, Trouble> {
    let text = match form {
        ListForm::Text => text,
        ListForm::Json => json(&document(words)),
    };
    session.print(&text)?;
    Ok(output::OK)
}

fn roots_code(rows: &[RootsRow]) -> u8 {
    if rows
        .iter()
        .any(|row| row.presence == Presence::Up && row.report.error.is_some())
    {
        output::FAILED
    } else if rows.iter().any(|row| row.presence != Presence::Up) {
        output::UNKNOWN
    } else {
        output::OK
    }
}
