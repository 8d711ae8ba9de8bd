//! Functions that are unknown here, handed to the Salt that is still installed on the host: `fallback: salt-call`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use sls::compile::{Return, is_for_engine};
use tempfile::TempDir;

use crate::call::{Call, Outcome};
use crate::custom;
use crate::failure::{Failure, os_text};
use crate::process::{Finished, Spec, run, which};
use crate::python;
use crate::registry::Env;
use crate::states::StateEnv;

/// The only program that can be named.
const SALT_CALL: &str = "salt-call";
/// Set for that program: whatever it starts hands nothing on.
const WITHIN: &str = "BANYAN_WITHIN_FALLBACK";
/// Bytes of its messages that an error shows.
const TOLD_CHARS_MAX: usize = 2_000;

/// The Salt of this host.
pub(crate) struct Salt<'a> {
    env: &'a Env<'a>,
    program: String,
}

/// The execution functions that it has, asked for once.
#[derive(Default)]
pub(crate) struct Known(Mutex<Option<Arc<BTreeSet<String>>>>);

impl<'a> Salt<'a> {
    /// None unless the configuration has it.
    pub(crate) fn of(env: &'a Env<'a>) -> Option<Salt<'a>> {
        let options = env.ctx.options();
        let word = |key: &str| options.get(key).and_then(Value::as_str);
        if word("fallback") != Some(SALT_CALL) || std::env::var_os(WITHIN).is_some() {
            return None;
        }
        Some(Salt {
            env,
            program: word("salt_call").unwrap_or(SALT_CALL).to_owned(),
        })
    }

    /// Whether it has an execution function.
    pub(crate) fn has(&self, fun: &str) -> bool {
        let mut known = self
            .env
            .registry
            .salt
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            match self.ask("sys.list_functions", &[], &Map::new()) {
                Ok((Value::Array(names), _)) => {
                    *known = Some(Arc::new(names.iter().map(python::text).collect()));
                }
                Ok(_) => tracing::warn!("salt-call gives no list of its functions"),
                Err(failure) => tracing::warn!("{failure}"),
            }
        }
        known.as_ref().is_some_and(|known| known.contains(fun))
    }

    /// Calls an execution function. None when it does not have it, either.
    pub(crate) fn function(&self, call: &Call) -> Option<Result<Outcome, Failure>> {
        if !self.has(&call.fun) {
            return None;
        }
        let answer = self.ask(&call.fun, &call.args, &call.kwargs);
        Some(answer.map(|(value, retcode)| Outcome {
            value,
            retcode,
            success: retcode == 0,
        }))
    }

    /// Calls a state function. None when it does not have it, either.
    pub(crate) fn state(&self, surroundings: &StateEnv<'_>) -> Option<Result<Return, Failure>> {
        let mut low = surroundings.low.clone();
        // What surrounds the call is done here.
        low.retain(|name, _| {
            !is_for_engine(name) || ["state", "fun", "name"].contains(&name.as_str())
        });
        for key in ["__id__", "__sls__", "__env__", "state", "fun", "name"] {
            if let Some(value) = surroundings.low.get(key) {
                low.insert(key.to_owned(), value.clone());
            }
        }
        let kwargs = Map::from_iter([("test".to_owned(), json!(surroundings.is_test))]);
        match self.ask("state.low", &[Value::Object(low)], &kwargs) {
            Err(failure) => Some(Err(failure)),
            Ok((Value::Array(errors), _)) => {
                let errors: Vec<String> = errors.iter().map(python::text).collect();
                let errors = errors.join("\n");
                if errors.contains("was not found") {
                    None
                } else {
                    Some(Err(Failure::command(errors)))
                }
            }
            Ok((value, _)) => {
                let returned = custom::returned(value);
                let is_unknown = returned.result == Some(false) && is_not_found(&returned.comment);
                (!is_unknown).then_some(Ok(returned))
            }
        }
    }

    /// Runs it once: what the function gave, and its return code.
    fn ask(
        &self,
        fun: &str,
        args: &[Value],
        kwargs: &Map<String, Value>,
    ) -> Result<(Value, i32), Failure> {
        let Some(program) = which(&self.program) else {
            return Err(Failure::command(format!(
                "fallback: there is no program '{}' on this host: set salt_call to its path, or remove fallback",
                self.program
            )));
        };
        let folder = self
            .surroundings()
            .map_err(|error| Failure::command(format!("fallback: {}", os_text(&error))))?;
        let config = folder.path().to_string_lossy().into_owned();
        let mut spec = Spec::new(&[
            "",
            "--local",
            "--config-dir",
            &config,
            "--out",
            "json",
            "--log-level",
            "error",
            "--retcode-passthrough",
            fun,
        ]);
        spec.argv[0] = program.to_string_lossy().into_owned();
        // Salt reads words as YAML, of which JSON is a part.
        spec.argv.extend(args.iter().map(Value::to_string));
        let named = kwargs.iter().filter(|(name, _)| !name.starts_with("__"));
        spec.argv
            .extend(named.map(|(name, value)| format!("{name}={value}")));
        spec.env = vec![
            (WITHIN.to_owned(), "1".to_owned()),
            ("PYTHONWARNINGS".to_owned(), "ignore".to_owned()),
        ];
        let finished = run(spec, self.env.cancel).map_err(|error| Failure::io(&program, error))?;
        self.read(fun, &finished)
    }

    fn read(&self, fun: &str, finished: &Finished) -> Result<(Value, i32), Failure> {
        if self.env.cancel.is_cancelled() {
            return Err(Failure::command(format!(
                "{fun}: salt-call was ended with the job"
            )));
        }
        let answer: Option<Value> = serde_json::from_str(&finished.stdout).ok();
        match answer.as_ref().and_then(|answer| answer.get("local")) {
            Some(value) if !finished.stdout.is_cut() => Ok((value.clone(), finished.retcode)),
            _ => {
                let told = if finished.stderr.trim().is_empty() {
                    finished.stdout.trim()
                } else {
                    finished.stderr.trim()
                };
                let told: String = told.chars().take(TOLD_CHARS_MAX).collect();
                Err(Failure::command(format!(
                    "{fun}: salt-call of this host gives no answer (exit code {}): {told}",
                    finished.retcode
                )))
            }
        }
    }

    /// A folder with a configuration of Salt that has this minion's id, grains and pillar; only its user reads it.
    fn surroundings(&self) -> io::Result<TempDir> {
        let ctx = self.env.ctx;
        let folder = tempfile::tempdir()?;
        let place = |name: &str| folder.path().join(name);
        let pillar = ctx.pillar().map_err(io::Error::other)?;
        let mut options = (*ctx.options()).clone();
        // Where Salt finds its own things is not for this minion to say.
        for key in [
            "cachedir",
            "conf_file",
            "fallback",
            "salt_call",
            "python_executable",
            "custom_modules",
        ] {
            if let Some(options) = options.as_object_mut() {
                options.shift_remove(key);
            }
        }
        let own = json!({
            "id": ctx.minion_id(),
            "root_dir": place("root"),
            "file_client": "local",
            "pillar_roots": {"base": [place("pillar")]},
            "pillarenv": null,
            "grains": *ctx.grains(),
            "log_file": "/dev/null",
        });
        if let (Some(options), Value::Object(own)) = (options.as_object_mut(), own) {
            options.extend(own);
        }
        fs::create_dir(place("pillar"))?;
        write(&place("minion"), &options.to_string())?;
        write(
            &place("pillar/top.sls"),
            "#!json\n{\"base\": {\"*\": [\"data\"]}}\n",
        )?;
        write(&place("pillar/data.sls"), &format!("#!json\n{pillar}\n"))?;
        Ok(folder)
    }
}

/// The words of Salt for a state function that it does not have.
fn is_not_found(comment: &str) -> bool {
    comment.starts_with("State '") && comment.contains("' was not found in SLS '")
        || comment.starts_with("Specified state '") && comment.contains("' was not found")
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    /// Stands in for salt-call: knows `odd.one` and `odd.gone`, and the state `odd.done`.
    const PROGRAM: &str = r#"#!/usr/bin/env python3
import json, os, sys
words = sys.argv[1:]
config = json.load(open(os.path.join(words[words.index("--config-dir") + 1], "minion")))
pillar = open(os.path.join(config["pillar_roots"]["base"][0], "data.sls")).read().split("\n", 1)[1]
pillar = json.loads(pillar)
words = words[words.index("--retcode-passthrough") + 1:]
fun, words = words[0], words[1:]
if fun == "sys.list_functions":
    answer = ["odd.one", "odd.breaks"]
elif fun == "odd.one":
    answer = {"words": words, "id": config["id"], "os": config["grains"]["os"], "motd": pillar["motd"],
              "within": os.environ["BANYAN_WITHIN_FALLBACK"], "local": config["file_client"]}
elif fun == "state.low":
    low = json.loads(words[0])
    if low["state"] != "odd":
        answer = ["Specified state 'x' was not found"]
    else:
        answer = {"name": low["name"], "result": None if words[1] == "test=true" else True, "changes": {"low": sorted(low)}, "comment": "done"}
else:
    sys.exit("it breaks")
print(json.dumps({"local": answer}))
sys.exit(3 if fun == "odd.one" else 0)
"#;

    fn host() -> Host {
        let host = Host::new();
        let program = crate::process::without_forks(|| host.write("salt-call", PROGRAM));
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&program, permissions).unwrap();
        host.set("fallback", json!("salt-call"));
        host.set("salt_call", json!(program));
        host
    }

    #[test]
    fn unknown_functions_are_handed_on() {
        let host = host();
        let outcome = host.call(
            Call::new("odd.one")
                .arg("a b")
                .arg(1)
                .kwarg("k", json!({"x": [1]})),
        );
        assert_eq!(outcome.retcode, 3, "{outcome:?}");
        assert_eq!(
            outcome.value,
            json!({
                "words": ["\"a b\"", "1", "k={\"x\":[1]}"], "id": "m1", "os": "Debian", "motd": "hello", "within": "1", "local": "local",
            })
        );
        let unknown = host.call(Call::new("odd.none"));
        assert_eq!(unknown.value, json!("'odd.none' is not available."));
        let breaks = host.call(Call::new("odd.breaks"));
        let text = breaks.value.as_str().unwrap();
        assert!(
            text.contains("gives no answer (exit code 1): it breaks"),
            "{text}"
        );
        assert_eq!(host.call(Call::new("test.ping")).value, json!(true));
        host.set("salt_call", json!("/no/salt-call"));
        assert!(
            host.call(Call::new("odd.one"))
                .value
                .to_string()
                .contains("there is no program '/no/salt-call'")
        );
        host.set("fallback", json!("off"));
        assert_eq!(
            host.call(Call::new("odd.one")).value,
            json!("'odd.one' is not available.")
        );
    }

    #[test]
    fn unknown_states_are_handed_on() {
        let host = host();
        let args = json!({"name": "a", "more": 1, "require": [], "__sls__": "web"});
        let returned = host.state("odd.done", args.clone(), true);
        assert_eq!(
            (returned.result, returned.comment.as_str()),
            (None, "done"),
            "{returned:?}"
        );
        let returned = host.state("odd.done", args.clone(), false);
        assert_eq!(returned.result, Some(true));
        assert_eq!(
            Value::Object(returned.changes),
            json!({"low": ["__id__", "__sls__", "fun", "more", "name", "state"]})
        );
        let returned = host.state("even.done", args, false);
        assert_eq!(
            returned.comment,
            "State 'even.done' was not found in SLS 'web'\nReason: 'even.done' is not available.\n"
        );
    }
}
