//! apt's source lists: `/etc/apt/sources.list` and the files of `/etc/apt/sources.list.d`.

mod edit;
mod entry;
mod keys;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use self::edit::{change, comments, consolidated, section, section_options, without};
use self::entry::{Entry, Form, Line, Section, is_no};
use super::{Known, Repositories};
use crate::failure::Failure;
use crate::packages::Options;
use crate::python;
use crate::registry::Env;
use crate::tools::{Tools, Way};

const LIST: &str = "/etc/apt/sources.list";
const LISTS: &str = "/etc/apt/sources.list.d";

/// Systems that know archives of the form `ppa:owner/name`.
const WITH_PPA: [&str; 3] = ["Ubuntu", "Mint", "neon"];

pub(super) struct Sources<'a> {
    env: &'a Env<'a>,
    tools: Tools<'a>,
    os: String,
    codename: String,
}

impl<'a> Sources<'a> {
    pub(super) fn new(env: &'a Env<'a>, tools: Tools<'a>, grains: &Value) -> Sources<'a> {
        let grain = |name: &str| grains[name].as_str().unwrap_or_default().to_owned();
        Sources {
            env,
            tools,
            os: grain("os"),
            codename: grain("oscodename"),
        }
    }

    /// The line that stands for `ppa:owner/name` on systems that know such; any other as it is.
    fn line_of(&self, repo: &str) -> String {
        let ppa = repo
            .strip_prefix("ppa:")
            .filter(|_| WITH_PPA.contains(&self.os.as_str()));
        match ppa.and_then(|ppa| ppa.split_once('/')) {
            Some((owner, name)) => format!(
                "deb http://ppa.launchpad.net/{owner}/{name}/ubuntu {} main",
                self.codename
            ),
            None => repo.to_owned(),
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.tools.path(LISTS))
            .into_iter()
            .flatten()
            .flatten();
        let is_list = |path: &PathBuf| {
            path.is_file()
                && path
                    .extension()
                    .is_some_and(|extension| extension == "list" || extension == "sources")
        };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_list).collect();
        files.sort();
        files.insert(0, self.tools.path(LIST));
        files
    }

    fn load(&self) -> Result<Vec<Entry>, Failure> {
        let mut entries = Vec::new();
        for file in self.files() {
            let text = match fs::read(&file) {
                Ok(text) => String::from_utf8_lossy(&text).into_owned(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Failure::io(&file, error)),
            };
            let add = |form: Form| Entry {
                file: file.clone(),
                form,
            };
            if is_deb822(&file) {
                let sections = text
                    .split("\n\n")
                    .map(str::trim)
                    .filter(|section| !section.is_empty());
                entries.extend(sections.map(|section| add(Form::Section(Section::parse(section)))));
            } else {
                entries.extend(text.lines().map(|line| match Line::parse(line) {
                    Some(line) => add(Form::Line(line)),
                    None => add(Form::Other(line.to_owned())),
                }));
            }
        }
        Ok(entries)
    }

    /// Writes the files whose entries differ from those before.
    fn save(&self, before: &[Entry], after: &[Entry]) -> Result<(), Failure> {
        let files: BTreeSet<&PathBuf> = before
            .iter()
            .chain(after)
            .map(|entry| &entry.file)
            .collect();
        for file in files {
            let of = |entries: &[Entry]| {
                entries
                    .iter()
                    .filter(|entry| entry.file == *file)
                    .cloned()
                    .collect::<Vec<_>>()
            };
            let (old, new) = (of(before), of(after));
            if old == new {
                continue;
            }
            if new.is_empty() && file.starts_with(self.tools.path(LISTS)) {
                fs::remove_file(file).map_err(|error| Failure::io(file, error))?;
                continue;
            }
            let between = if is_deb822(file) { "\n\n" } else { "\n" };
            let mut text = new
                .iter()
                .map(Entry::text)
                .collect::<Vec<_>>()
                .join(between);
            if !text.is_empty() {
                text.push('\n');
            }
            let failed = |error| Failure::io(file, error);
            if let Some(directory) = file.parent() {
                fs::create_dir_all(directory).map_err(failed)?;
            }
            fs::write(file, text).map_err(failed)?;
        }
        Ok(())
    }

    /// A file as operators name it: below the root of a test it has that root before it.
    fn shown(&self, file: &Path) -> String {
        let root = self.tools.path("/");
        match file.strip_prefix(&root) {
            Ok(path) => format!("/{}", path.display()),
            Err(_) => file.display().to_string(),
        }
    }

    /// What is known of one suite at one address of an entry.
    fn known(&self, entry: &Entry, uri: &str, suite: &str, kind: &str) -> Known {
        let line = match &entry.form {
            Form::Line(line) => line.clone(),
            _ => Line {
                is_disabled: entry.is_disabled(),
                kind: kind.to_owned(),
                options: section_options(entry),
                uri: uri.to_owned(),
                dist: suite.to_owned(),
                comps: entry.comps(),
                comment: String::new(),
            },
        };
        let known = json!({
            "file": self.shown(&entry.file), "comps": entry.comps(), "disabled": entry.is_disabled(), "enabled": !entry.is_disabled(),
            "dist": suite, "suites": entry.suites(), "type": kind, "types": entry.types(), "uri": uri, "uris": entry.uris(),
            "line": line.text(), "architectures": entry.architectures(), "signedby": entry.signed_by(),
        });
        known.as_object().cloned().unwrap_or_default()
    }

    fn all(&self) -> Result<Vec<Known>, Failure> {
        let mut all = Vec::new();
        for entry in self.load()?.iter().filter(|entry| entry.is_repository()) {
            for uri in entry.uris() {
                for suite in entry.suites() {
                    all.extend(
                        entry
                            .types()
                            .iter()
                            .map(|kind| self.known(entry, &uri, &suite, kind)),
                    );
                }
            }
        }
        Ok(all)
    }

    /// The entry that a repository would be.
    fn entry(&self, repo: &str, options: &Options) -> Result<Entry, Failure> {
        let mut line = Line::read(repo)?;
        if let Some(uri) = options.text("uri") {
            line.uri = uri;
        }
        if let Some(dist) = options.text("dist") {
            line.dist = dist;
        }
        let comps = options.texts("comps");
        if !comps.is_empty() {
            line.comps = comps;
        }
        let architectures = options.texts("architectures");
        if !architectures.is_empty() {
            line.set_option("arch", Some(architectures.join(",")));
        }
        if options.has("trusted") {
            let is_trusted = options.flag("trusted")
                && !options.text("trusted").is_some_and(|word| is_no(&word));
            line.set_option("trusted", is_trusted.then(|| "yes".to_owned()));
        }
        let is_disabled = if options.has("disabled") {
            Some(python::is_true(options.value("disabled")))
        } else {
            options
                .has("enabled")
                .then(|| !python::is_true(options.value("enabled")))
        };
        line.is_disabled = is_disabled.unwrap_or(line.is_disabled);
        if let Some(comment) = comments(options) {
            line.comment = comment;
        }
        let file = options.text("file").unwrap_or_else(|| LIST.to_owned());
        let file = self.tools.path(&file);
        let form = if is_deb822(&file) {
            Form::Section(section(&line, options))
        } else {
            Form::Line(line)
        };
        Ok(Entry { file, form })
    }

    /// `ppa:owner/name` means something on some systems only.
    fn refuse_unknown_ppa(&self, repo: &str) -> Result<(), Failure> {
        if !repo.starts_with("ppa:") || WITH_PPA.contains(&self.os.as_str()) {
            return Ok(());
        }
        Err(Failure::command(format!(
            "cannot parse \"ppa:\" style repo definitions: {repo}"
        )))
    }

    fn add_ppa(&self, ppa: &str, options: &Options) -> Result<(), Failure> {
        self.refuse_unknown_ppa(ppa)?;
        if !self.get(ppa, options)?.is_empty() {
            return Ok(());
        }
        let argv = ["apt-add-repository", "-y", ppa];
        let finished = self.tools.run(&argv, &Way::default())?;
        if finished.retcode != 0 {
            let words = python::repr(&json!(argv));
            return Err(Failure::command(format!(
                "Unable to add PPA '{}'. '{words}' exited with status {}: '{}'",
                ppa.trim_start_matches("ppa:"),
                finished.retcode,
                finished.stderr
            )));
        }
        Ok(())
    }
}

fn is_deb822(file: &Path) -> bool {
    file.extension()
        .is_some_and(|extension| extension == "sources")
}

impl Repositories for Sources<'_> {
    fn list(&self) -> Result<Map<String, Value>, Failure> {
        let mut by_uri = Map::new();
        for known in self.all()? {
            let list = by_uri
                .entry(python::text(&known["uri"]))
                .or_insert_with(|| json!([]));
            list.as_array_mut()
                .into_iter()
                .for_each(|list| list.push(Value::Object(known.clone())));
        }
        Ok(by_uri)
    }

    fn get(&self, repo: &str, _: &Options) -> Result<Known, Failure> {
        let line = self.line_of(repo);
        let Some(wanted) = Line::parse(&line) else {
            return Ok(Known::new());
        };
        let uri = wanted.uri.trim_end_matches('/');
        let is_it = |known: &Known| {
            let has_comp = |comp: &String| {
                known["comps"]
                    .as_array()
                    .is_some_and(|comps| comps.contains(&json!(comp)))
            };
            known["type"] == json!(wanted.kind)
                && known["uri"]
                    .as_str()
                    .is_some_and(|known| known.trim_end_matches('/') == uri)
                && known["dist"] == json!(wanted.dist)
                && (wanted.comps.is_empty() || wanted.comps.iter().any(has_comp))
        };
        Ok(self.all()?.into_iter().find(is_it).unwrap_or_default())
    }

    fn wanted(&self, repo: &str, options: &Options) -> Result<Known, Failure> {
        self.refuse_unknown_ppa(repo)?;
        let entry = self.entry(&self.line_of(repo), options)?;
        let first = |list: Vec<String>| list.into_iter().next().unwrap_or_default();
        let mut known = self.known(
            &entry,
            &first(entry.uris()),
            &first(entry.suites()),
            &first(entry.types()),
        );
        known.shift_remove("enabled");
        Ok(known)
    }

    fn set(&self, repo: &str, options: &Options) -> Result<(), Failure> {
        if repo.starts_with("ppa:") {
            return self.add_ppa(repo, options);
        }
        let before = self.load()?;
        let mut after = before.clone();
        if options.flag("consolidate") {
            after = consolidated(after, &self.tools.path(LIST));
        }
        let wanted = self.entry(repo, options)?;
        let line = Line::read(repo)?;
        self.add_keys_of(&line.signed_by(), options)?;
        let comps = wanted.comps();
        let is_it = |entry: &&mut Entry| {
            let known = entry.comps();
            entry.is(&line)
                && (known.is_empty()
                    || comps.iter().any(|comp| known.contains(comp))
                    || entry.architectures() != wanted.architectures())
        };
        match after.iter_mut().find(is_it) {
            Some(entry) => {
                if options.has("file") {
                    entry.file = wanted.file.clone();
                }
                let is_deb822 = is_deb822(&entry.file);
                match (&mut entry.form, wanted.form) {
                    (Form::Section(known), wanted) if is_deb822 => {
                        change(known, &wanted, &line, options)
                    }
                    (_, Form::Line(line)) if is_deb822 => {
                        entry.form = Form::Section(section(&line, options))
                    }
                    (_, wanted) => entry.form = wanted,
                }
            }
            None => {
                let is_trusted = line.option("trusted").is_some_and(|word| !is_no(word))
                    || options.flag("trusted");
                if !self.uses_apt_key(options) && line.signed_by().is_empty() && !is_trusted {
                    return Err(Failure::invocation(
                        "missing 'signedby' or 'trusted' option when apt-key is missing",
                    ));
                }
                after.push(wanted);
            }
        }
        self.save(&before, &after)
    }

    fn delete(&self, repo: &str, _: &Options) -> Result<String, Failure> {
        let text = self.line_of(repo);
        let line = Line::read(&text)?;
        let before = self.load()?;
        let (mut after, mut files) = (Vec::new(), Vec::new());
        let wanted: BTreeSet<&String> = line.comps.iter().collect();
        for entry in &before {
            let comps = entry.comps();
            let known: BTreeSet<&String> = comps.iter().collect();
            let has_common = known.intersection(&wanted).next().is_some()
                || (known.is_empty() && wanted.is_empty());
            if !entry.is(&line) || entry.architectures() != line.architectures() || !has_common {
                after.push(entry.clone());
                continue;
            }
            if !files.contains(&entry.file) {
                files.push(entry.file.clone());
            }
            after.extend(without(entry, &line, known == wanted));
        }
        if files.is_empty() {
            return Err(Failure::command(format!(
                "Repo {text} doesn't exist in the sources.list(s)"
            )));
        }
        let is_left = |file: &PathBuf| {
            after
                .iter()
                .any(|entry| entry.file == *file && entry.is_repository())
        };
        let mut told = String::new();
        let gone: Vec<PathBuf> = files
            .iter()
            .filter(|file| !is_left(file) && file.starts_with(self.tools.path(LISTS)))
            .cloned()
            .collect();
        for file in &files {
            told += &if gone.contains(file) {
                format!(
                    "File {} containing repo '{text}' has been removed.",
                    self.shown(file)
                )
            } else {
                format!(
                    "Repo '{text}' has been removed from {}.\n",
                    self.shown(file)
                )
            };
        }
        after.retain(|entry| !gone.contains(&entry.file));
        self.save(&before, &after)?;
        Ok(told)
    }

    fn add_key(&self, options: &Options) -> Result<bool, Failure> {
        self.add_one_key(options)
    }

    fn delete_key(&self, options: &Options) -> Result<Option<String>, Failure> {
        self.remove_key(options)
    }

    fn keys(&self, options: &Options) -> Result<Map<String, Value>, Failure> {
        self.all_keys(options)
    }
}

#[cfg(test)]
pub(crate) mod tests;
