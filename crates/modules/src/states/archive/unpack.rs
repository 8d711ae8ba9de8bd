//! Unpacking, and making room for it.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Extraction, Refusal, refused, remove_all, stop, texts};
use crate::call::Call;
use crate::failure::python_text;
use crate::files::checksum::Sum;
use crate::process;
use crate::states::{Failure, Return};

impl Extraction<'_> {
    /// A path of this host has the hash that is stated.
    pub(super) fn check_local_sum(&self) -> Result<(), Refusal> {
        let Some(sum) = self
            .sum
            .as_ref()
            .filter(|_| self.is_local() && !self.args.flag("skip_verify"))
        else {
            return Ok(());
        };
        let found = Sum::of_file(&sum.kind, Path::new(&self.source)).map_err(Err)?;
        if found == *sum {
            return Ok(());
        }
        stop(format!(
            "{} does not match the desired source_hash {}",
            self.shown(),
            sum.digits
        ))
    }

    /// Removes what is in the way, where `clean` or `clean_parent` says so.
    pub(super) fn make_room(&self, contents: &Value, answer: &mut Return) -> Result<(), Refusal> {
        if self.args.flag("clean_parent") {
            let path = Path::new(&self.name);
            if path.exists() {
                if self.name == "/" {
                    return stop("Refusing to remove \"/\"");
                }
                fs::remove_dir_all(path).map_err(|error| {
                    refused(format!(
                        "Unable to remove the directory {}. The following errors were observed:\n\n- {}",
                        self.name,
                        python_text(path, &error)
                    ))
                })?;
            }
            let text = format!(
                "Directory {} was removed prior to the extraction",
                self.name
            );
            answer.changes.insert("removed".to_owned(), json!(text));
        }
        if self.args.flag("clean") {
            let members =
                texts(&contents["top_level_dirs"]).chain(texts(&contents["top_level_files"]));
            let paths = members.map(|member| format!("{}{member}", self.name));
            let trouble =
                "One or more paths could not be cleaned. The following errors were observed:\n";
            remove_all(paths, trouble, answer)?;
        }
        Ok(())
    }

    pub(super) fn make_directory(&self) -> Result<(), Refusal> {
        let said = [
            ("name", json!(self.name)),
            ("user", self.args.value("user").clone()),
            ("makedirs", json!(true)),
        ];
        let said = said.map(|(name, value)| (name.to_owned(), value));
        let made = self
            .env
            .state("file.directory", Map::from_iter(said), false);
        match made.result {
            Some(true) => Ok(()),
            _ => stop(made.comment),
        }
    }

    /// Unpacks; answers the members, as many as are shown.
    pub(super) fn unpack(&self, archive: &Path, answer: &mut Return) -> Result<Value, Refusal> {
        let path = archive.to_string_lossy().into_owned();
        if self.format == "tar" {
            return self.unpack_tar(&path, answer);
        }
        let is_zip = self.format == "zip";
        let has_options = self
            .options
            .as_deref()
            .is_some_and(|options| !options.is_empty());
        let fun = match (is_zip, has_options || self.args.flag("use_cmd_unzip")) {
            (false, _) => "archive.unrar",
            (true, true) => "archive.cmd_unzip",
            (true, false) => "archive.unzip",
        };
        let mut call = Call::new(fun).arg(path).arg(self.name.as_str());
        if let Some(count) = self.trim {
            call = call.kwarg("trim_output", count);
        }
        if is_zip {
            call = call.kwarg("password", self.args.value("password").clone());
            call = call.kwarg("options", json!(self.options));
        }
        if fun == "archive.unzip" {
            call = call.kwarg("extract_perms", self.args.value("extract_perms").clone());
        }
        self.env
            .call(&call)
            .map_err(|failure| refused(failure.to_string()))
    }

    pub(super) fn unpack_tar(&self, archive: &str, answer: &mut Return) -> Result<Value, Refusal> {
        if process::which("tar").is_none() {
            return Err(refused(
                "tar command not available, it might not be installed on minion",
            ));
        }
        let mut argv = vec!["tar".to_owned()];
        match self.options.as_deref() {
            None => argv.push("xv".to_owned()),
            Some(options) => {
                let words = shlex::split(options).ok_or_else(|| {
                    Err(Failure::invocation(
                        "'options' has a quote that is not closed",
                    ))
                })?;
                let verbose = ["v", "-v", "--verbose"];
                let words = words
                    .into_iter()
                    .filter(|word| !verbose.contains(&word.as_str()));
                let mut short = "xv".to_owned();
                let mut long = Vec::new();
                for (position, word) in words.enumerate() {
                    if position == 0 && !word.starts_with('-') {
                        short.extend(word.chars().filter(|letter| !"xf".contains(*letter)));
                    } else {
                        long.push(word);
                    }
                }
                argv.push(short);
                argv.extend(long);
            }
        }
        argv.extend(["-f".to_owned(), archive.to_owned()]);
        let call = Call::new("cmd.run_all")
            .arg(Value::from(argv))
            .kwarg("cwd", self.name.as_str())
            .kwarg("python_shell", false);
        let ended = self.env.call(&call).map_err(Err)?;
        if ended["retcode"] != json!(0) {
            answer.result = Some(false);
            answer.changes = ended.as_object().cloned().unwrap_or_default();
            return Err(refused(""));
        }
        let lines = ended["stdout"].as_str().unwrap_or_default().lines();
        // With options the lines are shown as tar prints them.
        let shown = |line: &str| match self.options {
            None => line.trim_end_matches('/').to_owned(),
            Some(_) => line.to_owned(),
        };
        let files: Vec<String> = lines
            .map(shown)
            .take(self.trim.unwrap_or(usize::MAX))
            .collect();
        Ok(match files.is_empty() && self.options.is_some() {
            true => json!("no tar output so far"),
            false => json!(files),
        })
    }
}
