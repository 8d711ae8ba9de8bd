//! Follows the event bus.

use std::time::{Duration, Instant};

use output::escape;
use serde_json::{Map, Value, json};
use wire::Json;
use wire::control::{Ask, Tell};

use crate::Session;
use crate::lowargs::{EventsArgs, List, ListForm};
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
                    let text = line(&tag, &data, args.list.out, args.pretty);
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

impl EventsArgs {
    /// What Salt's runner `state.event` is told: a glob over tags, how many events, and how they are printed.
    pub(crate) fn of_runner(
        args: &[Value],
        kwargs: &Map<String, Value>,
    ) -> Result<EventsArgs, String> {
        const NAMES: [&str; 6] = ["tagmatch", "count", "quiet", "sock_dir", "pretty", "node"];
        let mut said = kwargs.clone();
        for (at, value) in args.iter().enumerate() {
            let name = NAMES
                .get(at)
                .ok_or("state.event takes six arguments at most")?;
            if said.insert((*name).to_owned(), value.clone()).is_some() {
                return Err(format!("state.event: {name} is given twice"));
            }
        }
        if let Some(strange) = said.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(format!("{strange} is no argument of state.event"));
        }
        let truth = |name: &str| match said.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(_) => Err(format!("state.event: {name} is True or False")),
        };
        if said.get("sock_dir").is_some_and(|dir| !dir.is_null()) {
            return Err(
                "state.event: sock_dir is not served; --root-dir names another hub".to_owned(),
            );
        }
        if said.get("node").is_some_and(|node| node != "master") {
            return Err("state.event: a hub reads its own bus, so node is master".to_owned());
        }
        let count = match said.get("count").map(Value::as_i64) {
            None => None,
            Some(Some(count)) => u64::try_from(count).ok().filter(|count| *count > 0),
            Some(None) => return Err("state.event: count is a whole number".to_owned()),
        };
        let globs = match said.get("tagmatch") {
            None => Vec::new(),
            Some(Value::String(glob)) => vec![glob.clone()],
            Some(_) => return Err("state.event: tagmatch is a glob over tags".to_owned()),
        };
        Ok(EventsArgs {
            globs,
            count,
            timeout: None,
            quiet: truth("quiet")?,
            pretty: truth("pretty")?,
            list: List {
                out: ListForm::Text,
            },
        })
    }
}

/// One line for one event.
fn line(tag: &str, data: &Json, form: ListForm, is_pretty: bool) -> String {
    let words = String::from_utf8_lossy(data);
    match form {
        ListForm::Text if is_pretty => {
            let mut data: Value = serde_json::from_slice(data).unwrap_or_default();
            data.sort_all_objects();
            let data = output::json(&data);
            format!("{}\t{data}", escape(tag))
        }
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
    fn salts_runner_is_read() {
        let read = |args: Value, kwargs: Value| {
            EventsArgs::of_runner(args.as_array().unwrap(), kwargs.as_object().unwrap())
        };
        let named = json!({"count": 1, "quiet": true});
        let args = read(json!(["salt/minion/a/start"]), named).unwrap();
        assert_eq!(args.globs, ["salt/minion/a/start"]);
        assert_eq!(
            (args.count, args.quiet, args.pretty),
            (Some(1), true, false)
        );
        let all = read(json!([]), json!({"count": -1, "pretty": true})).unwrap();
        assert_eq!((all.count, all.pretty, all.globs.len()), (None, true, 0));
        for (args, kwargs, word) in [
            (json!(["a"]), json!({"tagmatch": "b"}), "twice"),
            (json!([]), json!({"node": "minion"}), "node"),
            (json!([]), json!({"cout": 1}), "cout"),
            (json!([]), json!({"quiet": "maybe"}), "quiet"),
        ] {
            let error = read(args, kwargs).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_line_is_one_event() {
        let data: Json = br#"{"_stamp":"2026","x":"a\tb"}"#.as_slice().into();
        assert_eq!(
            line("a/b", &data, ListForm::Text, false),
            "a/b\t{\"_stamp\":\"2026\",\"x\":\"a\\tb\"}\n"
        );
        let json = line("a/b", &data, ListForm::Json, false);
        let read: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read["data"]["x"], "a\tb");
        assert_eq!(read["tag"], "a/b");
    }
}
