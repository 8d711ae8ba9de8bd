//! `http`: answers of web servers, as states.

use std::time::Instant;

use serde_json::{Value, json};
use sls::python_regex::Flags;

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, returned};
use crate::call::Call;
use crate::edit::substitution::{compile, found};
use crate::functions::http::{INTERVAL, seconds};
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "http.query",
        "name, match=None, match_type='string', status=None, status_type='string', wait_for=None, **kwargs",
        "Succeed when the answer at a URL has a text (`match`; match_type: string or pcre) and a status (status_type: string, pcre or list). wait_for: seconds to wait for an answer without an error. All else is for the function http.query.",
        query,
    ),
    StateFunction::new(
        "http.wait_for_successful_query",
        "name, wait_for=300, **kwargs",
        "Ask as http.query does until it succeeds, for wait_for seconds at most, every request_interval seconds (1).",
        wait,
    ),
];

fn has_pattern(pattern: &Value, text: &str) -> Result<bool, Failure> {
    let regex = compile(&python::text(pattern), Flags::default())?;
    found(regex.is_match(text))
}

fn query(args: &Args, env: &StateEnv) -> StateAnswer {
    let (wanted, status) = (args.value("match"), args.value("status"));
    if wanted.is_null() && status.is_null() {
        let comment = " Either match text (match) or a status code (status) is required.";
        let mut refused = returned(false, comment);
        refused.others.insert("data".to_owned(), json!({}));
        return Ok(refused);
    }
    let mut ask = match args.value("wait_for") {
        wait if python::truthy(wait) => {
            Call::new("http.wait_for_successful_query").kwarg("wait_for", wait.clone())
        }
        _ => Call::new("http.query"),
    };
    ask.kwargs.extend(args.extra_kwargs.clone());
    ask = ask
        .arg(args.text("name")?)
        .kwarg("text", true)
        .kwarg("status", true);
    if env.is_test {
        ask = ask.kwarg("test", true);
    }
    let data = env.call(&ask)?;
    let mut done = returned(None, "");
    let mut says = Vec::new();
    if !wanted.is_null() {
        let text = data["text"].as_str().unwrap_or_default();
        let (word, is_found) = match args.text("match_type")?.as_str() {
            "string" => ("text", Some(text.contains(&python::text(wanted)))),
            "pcre" => ("pattern", Some(has_pattern(wanted, text)?)),
            _ => ("", None),
        };
        if let Some(is_found) = is_found {
            done.result = Some(is_found);
            let seen = if is_found { "found" } else { "not found" };
            says.push(format!(
                "Match {word} \"{}\" was {seen}.",
                python::text(wanted)
            ));
        }
    }
    if !status.is_null() {
        let current = data.get("status").map(python::text).unwrap_or_default();
        let shown = python::text(status);
        let (is_found, say) = match args.text("status_type")?.as_str() {
            "list" => {
                let listed = status.as_array().into_iter().flatten();
                let one = listed.map(python::text).find(|one| *one == current);
                // One that is found does not save an answer whose text did not match.
                let is_fine = one.is_some() && done.result != Some(false);
                says.extend(one.map(|one| format!("Status {one} was found.")));
                (
                    is_fine,
                    (!is_fine).then(|| format!("Statuses {shown} were not found.")),
                )
            }
            "pcre" => {
                let is_found = has_pattern(status, &current)?;
                let seen = if is_found { "found" } else { "not found" };
                (
                    is_found,
                    Some(format!("Status pattern \"{shown}\" was {seen}.")),
                )
            }
            "string" => {
                let is_found = current == shown;
                let seen = if is_found { "found" } else { "not found" };
                (is_found, Some(format!("Status {shown} was {seen}.")))
            }
            other => {
                return Err(Failure::invocation(format!(
                    "'{other}' is no status_type: string, pcre and list are"
                )));
            }
        };
        says.extend(say);
        done.result = Some(is_found && done.result != Some(false));
    }
    done.comment = says.join(" ");
    if env.is_test {
        done.result = None;
        let address = args.extra_kwargs.get("test_url").map(python::text);
        let address = address.map_or(String::new(), |url| format!(", TEST URL WAS: {url}"));
        done.comment += &format!(" (TEST MODE{address})");
    }
    done.others.insert("data".to_owned(), data);
    Ok(done)
}

fn wait(args: &Args, env: &StateEnv) -> StateAnswer {
    let longest = seconds(args.value("wait_for"), "wait_for")?;
    let interval = args.extra_kwargs.get("request_interval");
    let interval = seconds(interval.unwrap_or(&json!(INTERVAL)), "request_interval")?;
    let mut said = args.extra_kwargs.clone();
    said.insert("name".to_owned(), args.value("name").clone());
    let start = Instant::now();
    loop {
        let done = env.state("http.query", said.clone(), env.is_test);
        // A second question of test mode would find nothing else.
        if done.result == Some(true)
            || env.is_test
            || start.elapsed() > longest
            || env.env.cancel.sleep(interval)
        {
            return Ok(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::http::tests::server;
    use crate::testing::Host;

    #[test]
    fn answers_are_checked() {
        let (host, server) = (Host::new(), server());
        let check =
            |path: &str, args: Value, is_test: bool, result: Option<bool>, comment: &str| {
                let mut said = args;
                said["name"] = json!(format!("{server}{path}"));
                let done = host.state("http.query", said, is_test);
                assert_eq!((done.result, done.comment.as_str()), (result, comment));
            };
        check(
            "/json",
            json!({"status": 200}),
            false,
            Some(true),
            "Status 200 was found.",
        );
        check(
            "/none",
            json!({"status": 200, "match": "x"}),
            false,
            Some(false),
            "Match text \"x\" was not found. Status 200 was not found.",
        );
        check(
            "/json",
            json!({"status": [201, 200], "status_type": "list", "match": "a.*1", "match_type": "pcre"}),
            false,
            Some(true),
            "Match pattern \"a.*1\" was found. Status 200 was found.",
        );
        check(
            "/json",
            json!({"status": ["201", "404"], "status_type": "list"}),
            false,
            Some(false),
            "Statuses ['201', '404'] were not found.",
        );
        check(
            "/json",
            json!({"status": "2..", "status_type": "pcre"}),
            false,
            Some(true),
            "Status pattern \"2..\" was found.",
        );
        check(
            "/json",
            json!({"status": 200}),
            true,
            None,
            "Status 200 was not found. (TEST MODE)",
        );
        check(
            "/json",
            json!({}),
            false,
            Some(false),
            " Either match text (match) or a status code (status) is required.",
        );
    }

    #[test]
    fn answers_are_awaited() {
        let (host, server) = (Host::new(), server());
        let args =
            json!({"name": format!("{server}/late"), "status": 200, "request_interval": 0.01});
        let done = host.state("http.wait_for_successful_query", args, false);
        assert_eq!(done.result, Some(true));
        let args = json!({"name": format!("{server}/none"), "status": 200, "wait_for": 0});
        let done = host.state("http.wait_for_successful_query", args, false);
        assert_eq!(
            (done.result, done.comment.as_str()),
            (Some(false), "Status 200 was not found.")
        );
    }
}
