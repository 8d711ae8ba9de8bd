//! Keys: shows them, and decides about them after a look at what it would change.

use std::io::BufRead;

use targeting::{Facts, Kind, Nodegroups, Target, Verdict};
use wire::control::{Ask, KeyRow, Tell};
use wire::{KeyDecision, Standing};

use crate::Session;
use crate::answer::list;
use crate::follow::{answer, ask_within};
use crate::lowargs::ListForm;
use crate::meaning::Decide;
use crate::trouble::Trouble;
use crate::user;

/// Longest answer to a question that is read, in bytes: "yes" and some hesitation.
pub(crate) const ANSWER_BYTES_MAX: u64 = 64;

/// Prints the keys whose ids match.
pub(crate) fn print(
    session: &mut Session<'_, '_>,
    globs: &[String],
    with_fingerprints: bool,
    form: ListForm,
) -> Result<u8, Trouble> {
    let globs = Globs::parse(globs)?;
    let mut rows = all(session)?;
    if !globs.0.is_empty() {
        rows.retain(|row| globs.matches(row));
    }
    let text = if with_fingerprints {
        output::fingerprints(&rows, session.style)
    } else {
        output::keys(&rows, session.style)
    };
    let code = list(session, form, &rows, text)?;
    Ok(if rows.is_empty() && !globs.0.is_empty() {
        output::NOTHING_MATCHED
    } else {
        code
    })
}

/// Decides about keys. On a terminal it shows them first and asks; then only what was shown is decided, although a new key
/// may match by then.
pub(crate) fn decide(session: &mut Session<'_, '_>, decide: Decide) -> Result<u8, Trouble> {
    let globs = Globs::parse(&decide.globs)?;
    let mut ids = decide.globs;
    if session.seat.terminals.input && !decide.yes {
        let mut rows = all(session)?;
        rows.retain(|row| globs.matches(row) && is_meant(row.standing, &decide.standings));
        if rows.is_empty() {
            return Ok(nothing(session));
        }
        if !confirmed(session, &rows, decide.decision) {
            session.seat.say("Nothing is changed.");
            return Ok(output::OK);
        }
        ids = rows.into_iter().map(|row| row.id).collect();
    }
    let user = user::name(session.seat.environment);
    let ask = Ask::Decide {
        ids,
        standings: decide.standings,
        decision: decide.decision,
        user,
    };
    match ask_within(&session.connect, ask, None)? {
        Tell::Keys(rows) if rows.is_empty() && decide.form == ListForm::Text => {
            Ok(nothing(session))
        }
        Tell::Keys(rows) => {
            list(
                session,
                decide.form,
                &rows,
                output::decided(&rows, decide.decision),
            )?;
            Ok(if rows.is_empty() {
                output::NOTHING_MATCHED
            } else {
                output::OK
            })
        }
        Tell::Failed(failure) => Err(Trouble::Told(failure)),
        _ => Err(Trouble::Unexpected),
    }
}

fn nothing(session: &mut Session<'_, '_>) -> u8 {
    session.seat.say("No key matches.");
    output::NOTHING_MATCHED
}

pub(crate) fn all(session: &mut Session<'_, '_>) -> Result<Vec<KeyRow>, Trouble> {
    match answer(&session.connect, Ask::Keys)? {
        Tell::Keys(rows) => Ok(rows),
        Tell::Failed(failure) => Err(Trouble::Told(failure)),
        _ => Err(Trouble::Unexpected),
    }
}

/// Whether a standing is among those that were named; none named means any.
fn is_meant(standing: Standing, standings: &[Standing]) -> bool {
    standings.is_empty() || standings.contains(&standing)
}

/// Asks on the terminal. As with Salt, Enter alone means yes; the end of the input means no.
fn confirmed(session: &mut Session<'_, '_>, rows: &[KeyRow], decision: KeyDecision) -> bool {
    let word = match decision {
        KeyDecision::Accept => "accepted",
        KeyDecision::Reject => "rejected",
        KeyDecision::Delete => "deleted",
        KeyDecision::Deny => "denied",
    };
    let shown = output::fingerprints(rows, session.style);
    session.seat.say(&format!(
        "The following keys are going to be {word}:\n{shown}Proceed? [n/Y]"
    ));
    let mut line = String::new();
    let mut input = std::io::Read::take(&mut *session.seat.input, ANSWER_BYTES_MAX);
    match input.read_line(&mut line) {
        Ok(1..) => matches!(line.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes"),
        Ok(0) | Err(_) => false,
    }
}

/// Globs over ids.
pub(crate) struct Globs(Vec<Target>);

impl Globs {
    pub(crate) fn parse(globs: &[String]) -> Result<Globs, Trouble> {
        let parse = |text: &String| {
            Target::parse(Kind::Glob, text, &Nodegroups::default(), ':').map_err(|errors| {
                Trouble::Usage(format!(
                    "not a glob over ids:\n{}",
                    errors.render(text).trim_end()
                ))
            })
        };
        globs.iter().map(parse).collect::<Result<_, _>>().map(Globs)
    }

    pub(crate) fn matches(&self, row: &KeyRow) -> bool {
        self.0
            .iter()
            .any(|glob| glob.matches(&KeyFacts(row)) == Verdict::Yes)
    }
}

struct KeyFacts<'a>(&'a KeyRow);

impl Facts for KeyFacts<'_> {
    fn id(&self) -> &str {
        &self.0.id
    }

    fn path(&self) -> &str {
        &self.0.path
    }

    fn grains(&self) -> Option<&serde_json::Value> {
        None
    }
}
