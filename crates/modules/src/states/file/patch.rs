//! `file.patch`: a patch is applied to a file or directory.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    Args, Failure, Return, StateAnswer, StateEnv, StateFunction, begin, fail, gather, name_of,
    place, warn,
};
use crate::call::Call;
use crate::files::directories;
use crate::{process, python};

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.patch",
    "name, source=None, source_hash=None, source_hash_name=None, skip_verify=False, template=None, context=None, \
     defaults=None, options='', reject_file=None, strip=None, saltenv=None, **kwargs",
    "Apply a patch by the patch program, unless it is applied already. options: more of its options. strip: leading \
     directories to drop. reject_file: where hunks that do not fit are kept.",
    patch,
);

/// Options that would undo how the patch is tried first.
const REFUSED: [&str; 6] = ["-N", "--forward", "-r", "--reject-file", "-o", "--output"];

fn patch(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name_of(args)?;
    let mut answer = begin(&name);
    if process::which("patch").is_none() {
        return Ok(fail(answer, "patch executable not found on minion"));
    }
    if let Some(comment) = unfit(&name) {
        return Ok(fail(answer, comment));
    }
    for old in ["hash", "dry_run_first"] {
        if args.extra_kwargs.contains_key(old) {
            let text = format!("The '{old}' argument is no longer used and has been ignored.");
            warn(&mut answer, text);
        }
    }
    let reject_file = args.optional_text("reject_file")?;
    if let Some(path) = &reject_file {
        let parent = directories::above(path);
        if !parent.starts_with('/') {
            return Ok(fail(answer, format!("'{path}' is not an absolute path")));
        }
        if !Path::new(parent).is_dir() {
            let comment = format!(
                "Parent directory for reject_file '{path}' either does not exist, or is not a directory"
            );
            return Ok(fail(answer, comment));
        }
    }
    let (options, strip) = match options(args)? {
        Ok(read) => read,
        Err(comment) => return Ok(fail(answer, comment)),
    };
    let chosen = gather::choose(env, args.value("source"), args.value("source_hash"));
    let (mut source, source_hash) = match chosen {
        Ok(chosen) => chosen,
        Err(failure) => return Ok(fail(answer, failure.to_string())),
    };
    if let Some(saltenv) = args.optional_text("saltenv")? {
        if source.contains("?saltenv=") {
            let text = "Ignoring 'saltenv' option in favor of saltenv included in the source URL.";
            warn(&mut answer, text);
        } else if source.starts_with("salt://") {
            source += &format!("?saltenv={saltenv}");
        }
    }
    let file = place::draft(None, ".patch")?;
    let mut said = Map::new();
    for same in [
        "source_hash_name",
        "skip_verify",
        "template",
        "context",
        "defaults",
    ] {
        said.insert(same.to_owned(), args.value(same).clone());
    }
    said.insert("name".to_owned(), json!(file.to_string_lossy()));
    said.insert("source".to_owned(), json!(source));
    said.insert("source_hash".to_owned(), json!(source_hash));
    // In test mode too: whether a patch fits is known from the patch alone.
    let got = env.state("file.managed", said, false);
    if got.result != Some(true) {
        return Ok(Return {
            name: answer.name,
            ..got
        });
    }
    let patch = Patch {
        name: &name,
        file: file.to_string_lossy().into_owned(),
        options,
        strip: strip.filter(|_| Path::new(&name).is_dir()),
    };
    patch.apply(answer, reject_file, env)
}

fn unfit(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("A file/directory to be patched is required".to_owned());
    }
    if !name.starts_with('/') {
        return Some(format!("{name} is not an absolute path"));
    }
    (!Path::new(name).exists()).then(|| format!("{name} does not exist"))
}

/// Options for the program, and how many directories are dropped.
type Options = (Vec<String>, Option<i64>);

/// Reads `options` and `strip`; why they cannot be served otherwise.
fn options(args: &Args) -> Result<Result<Options, String>, Failure> {
    let mut strip = args.optional_integer("strip")?;
    let said = match args.value("options") {
        Value::Array(items) => items.iter().map(python::text).collect(),
        Value::Null => Vec::new(),
        text => shlex::split(&python::text(text))
            .ok_or_else(|| Failure::invocation("'options' has a quote that is not closed"))?,
    };
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    let mut words = said.into_iter();
    while let Some(word) = words.next() {
        if REFUSED.iter().any(|option| word.starts_with(option)) {
            refused.push(word.clone());
        }
        let (number, shown) = if let Some(number) = word.strip_prefix("-p") {
            (Some(number.to_owned()), "-p")
        } else if word.starts_with("--strip") {
            let number = match word.split_once('=') {
                Some((_, number)) => Some(number.to_owned()),
                None => words.next(),
            };
            (Some(number.unwrap_or_default()), "-strip")
        } else {
            (None, "")
        };
        match number.map(|number| number.parse::<i64>()) {
            None => kept.push(word),
            Some(Ok(number)) => strip = Some(number),
            Some(Err(_)) => {
                return Ok(Err(format!(
                    "Invalid format for '{shown}' CLI option. Consider using the 'strip' option for this state."
                )));
            }
        }
    }
    if !refused.is_empty() {
        return Ok(Err(format!(
            "The following CLI options are not allowed: {}",
            refused.join(", ")
        )));
    }
    Ok(Ok((kept, strip)))
}

struct Patch<'a> {
    name: &'a str,
    file: String,
    options: Vec<String>,
    strip: Option<i64>,
}

impl Patch<'_> {
    /// Runs the program; answers its pid, retcode, stdout and stderr.
    fn run(
        &self,
        file: &str,
        more: &[String],
        is_dry: bool,
        env: &StateEnv,
    ) -> Result<Value, Failure> {
        let options: Vec<&String> = self.options.iter().chain(more).collect();
        let call = Call::new("file.patch")
            .arg(self.name)
            .arg(file)
            .kwarg("options", json!(options))
            .kwarg("dry_run", is_dry);
        env.call(&call)
    }

    fn apply(
        &self,
        mut answer: Return,
        reject_file: Option<String>,
        env: &StateEnv,
    ) -> StateAnswer {
        let (rejects, output) = (place::draft(None, ".rej")?, place::draft(None, ".out")?);
        let rejected = reject_file
            .clone()
            .unwrap_or_else(|| rejects.to_string_lossy().into_owned());
        let strip: Vec<String> = self
            .strip
            .iter()
            .map(|strip| format!("-p{strip}"))
            .collect();
        let mut trial: Vec<String> = ["-N", "-r", &rejected, "-o", &output.to_string_lossy()]
            .map(str::to_owned)
            .to_vec();
        trial.extend(strip.clone());
        let tried = self.run(&self.file, &trial, false, env)?;
        if tried["retcode"] != json!(0) {
            return self.judge(answer, &tried, &rejected, reject_file.is_some(), env);
        }
        if env.is_test {
            answer.result = None;
            answer.comment = "The patch would be applied".to_owned();
            answer.changes = tried.as_object().cloned().unwrap_or_default();
            return Ok(answer);
        }
        let done = self.run(&self.file, &strip, false, env)?;
        let is_done = done["retcode"] == json!(0);
        answer.changes = done.as_object().cloned().unwrap_or_default();
        answer.result = Some(is_done);
        answer.comment = if is_done {
            "Patch successfully applied".to_owned()
        } else {
            "Failed to apply patch".to_owned()
        };
        Ok(answer)
    }

    /// The patch did not fit: it was applied before when what was rejected can be taken back.
    fn judge(
        &self,
        mut answer: Return,
        tried: &Value,
        rejected: &str,
        has_reject_file: bool,
        env: &StateEnv,
    ) -> StateAnswer {
        let stderr = tried["stderr"].as_str().unwrap_or_default();
        if fs::metadata(rejected).map_or(0, |found| found.len()) == 0 {
            return Ok(fail(answer, stderr));
        }
        let back = ["-R", "-f"].map(str::to_owned);
        let reversed = self.run(rejected, &back, true, env)?;
        if tried["retcode"] == json!(2) && !stderr.is_empty() {
            return Ok(fail(answer, stderr));
        }
        if reversed["retcode"] == json!(0) {
            answer.comment = "Patch was already applied".to_owned();
            return Ok(answer);
        }
        let mut comment =
            "Patch would not apply cleanly, no changes made. Results of dry-run are below."
                .to_owned();
        if !has_reject_file {
            comment += " Run state again using the reject_file option to save rejects to a persistent file.";
        }
        comment += "\n\n";
        comment += &nested(tried);
        Ok(fail(answer, comment))
    }
}

/// What the program said, as people are shown values.
fn nested(value: &Value) -> String {
    let mut lines = vec![format!("{:14}----------", "")];
    let mut entries: Vec<(&String, &Value)> = value.as_object().into_iter().flatten().collect();
    entries.sort_by_key(|(key, _)| *key);
    for (key, value) in entries {
        lines.push(format!("{:14}{key}:", ""));
        let text = python::text(value);
        lines.extend(text.lines().map(|line| format!("{:18}{line}", "")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn patches_are_applied_once() {
        if process::which("patch").is_none() {
            return;
        }
        let host = Host::new();
        let file = host.write("f", "one\ntwo\n");
        host.write(
            "roots/base/p",
            "--- a\n+++ b\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n",
        );
        let args = json!({"name": file, "source": "salt://p"});
        let foretold = host.state("file.patch", args.clone(), true);
        assert_eq!(
            (foretold.result, foretold.comment.as_str()),
            (None, "The patch would be applied")
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), "one\ntwo\n");
        let done = host.applies("file.patch", args.clone());
        assert_eq!(done.comment, "Patch successfully applied");
        assert_eq!(fs::read_to_string(&file).unwrap(), "one\nthree\n");
        let again = host.state("file.patch", args.clone(), false);
        assert_eq!(again.comment, "Patch was already applied");
        host.write("f", "something else\n");
        let refused = host.state("file.patch", args, false);
        assert!(
            refused.comment.starts_with("Patch would not apply cleanly"),
            "{}",
            refused.comment
        );
        let refused = host.state(
            "file.patch",
            json!({"name": file, "source": "salt://p", "options": "-r x"}),
            false,
        );
        assert_eq!(
            refused.comment,
            "The following CLI options are not allowed: -r"
        );
    }
}
