//! Follows the event bus.

use std::time::{Duration, Instant};

use output::escape;
use serde_json::{Value, json};
use wire::Json;
use wire::control::{Ask, Tell};

use crate::Session;
use crate::lowargs::{EventsArgs, ListForm};
use crate::trouble::Trouble;

/// Prints events until there were so many, or for so long.
pub(crate) fn follow(session: &mut Session<'_, '_>, args: &EventsArgs) -> Result<u8, Trouble> {
    let globs = match &args.globs[..] {
        [] => vec!["*".to_owned()],
        globs => globs.to_vec(),
    };
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let left = || deadline.map(|end| end.saturating_duration_since(Instant::now()));
    let mut control = (session.connect)()?;
    control.ask(Ask::Events {
        globs: globs.clone(),
    })?;
    let mut seen = 0;
    loop {
        let wait = left();
        let is_over = wait.is_some_and(|left| left == Duration::ZERO);
        let told = if is_over { None } else { control.next(wait)? };
        match told {
            Some(Tell::Done) => {
                if !args.quiet {
                    let all: Vec<String> = globs.iter().map(|glob| escape(glob).into()).collect();
                    session.seat.say(&format!("Following {}", all.join(" ")));
                }
            }
            Some(Tell::Event { tag, data }) => {
                seen += 1;
                if !args.quiet {
                    let text = line(&tag, &data, args.list.out);
                    session.print(&text)?;
                }
            }
            Some(Tell::EventsLost(count)) => {
                session.seat.say(&format!(
                    "{count} events are missing here: there were too many"
                ));
            }
            Some(Tell::Failed(failure)) => return Err(Trouble::Told(failure)),
            Some(_) => return Err(Trouble::Unexpected),
            None if left() == Some(Duration::ZERO) => {
                // Who waits for a number wants to know that it did not come.
                return Ok(match args.count {
                    Some(_) => output::UNKNOWN,
                    None => output::OK,
                });
            }
            None => return Err(Trouble::NoAnswer),
        }
        if args.count == Some(seen) {
            return Ok(output::OK);
        }
    }
}

/// One line for one event.
fn line(tag: &str, data: &Json, form: ListForm) -> String {
    let words = String::from_utf8_lossy(data);
    match form {
        // As Salt's `state.event` prints it: JSON has no tab outside of its strings, and escapes those in them.
        ListForm::Text => format!("{}\t{words}\n", escape(tag)),
        ListForm::Json => {
            let data: Value = serde_json::from_slice(data).unwrap_or_default();
            format!("{}\n", json!({ "tag": tag, "data": data }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_event() {
        let data: Json = br#"{"_stamp":"2026","x":"a\tb"}"#.as_slice().into();
        assert_eq!(
            line("a/b", &data, ListForm::Text),
            "a/b\t{\"_stamp\":\"2026\",\"x\":\"a\\tb\"}\n"
        );
        let json = line("a/b", &data, ListForm::Json);
        let read: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read["data"]["x"], "a\tb");
        assert_eq!(read["tag"], "a/b");
    }
}
