//! Hosts whose keys are known: `known_hosts`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, fingerprint, give_to, make_private_directory, user_of};
use crate::edit::text::{Text, byte_lines};
use crate::process::query;
use crate::python;

/// The port that stands for none.
const DEFAULT_PORT: &str = "22";

/// How often a host is asked that answers nothing.
const ATTEMPTS: u32 = 5;

/// Mode of a new file of known hosts.
const FILE_MODE: u32 = 0o600;

/// What a call or state says about a host.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) user: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) config: Option<String>,
    pub(crate) port: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) fingerprint: Option<String>,
    pub(crate) fingerprint_kind: Option<String>,
    pub(crate) hashes_names: bool,
    pub(crate) timeout: String,
}

/// A key of a host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    host: String,
    key: String,
    kind: String,
    fingerprint: Option<String>,
    port: Option<String>,
}

impl Wanted {
    /// Reads the parameters; `host` is the name of the one that names the host.
    pub(crate) fn of(args: &Args, host: &str) -> Result<Wanted, Failure> {
        let text = |name: &str| -> Result<Option<String>, Failure> {
            Ok(args.optional_text(name)?.filter(|text| !text.is_empty()))
        };
        Ok(Wanted {
            user: text("user")?,
            host: text(host)?,
            config: text("config")?,
            port: text("port")?,
            kind: text("enc")?,
            key: text("key")?,
            fingerprint: text("fingerprint")?,
            fingerprint_kind: text("fingerprint_hash_type")?,
            hashes_names: args.flag("hash_known_hosts"),
            timeout: text("timeout")?.unwrap_or_else(|| "5".to_owned()),
        })
    }

    /// The path as it is written, by default that of the user or of all.
    pub(crate) fn config(&self) -> &str {
        let default = if self.user.is_some() {
            ".ssh/known_hosts"
        } else {
            "/etc/ssh/ssh_known_hosts"
        };
        self.config.as_deref().unwrap_or(default)
    }

    /// The file; the error is one that functions answer.
    fn file(&self) -> Result<PathBuf, Value> {
        let config = Path::new(self.config());
        if config.is_absolute() {
            return Ok(config.to_owned());
        }
        let Some(name) = &self.user else {
            return Err(error("Cannot determine absolute path to file."));
        };
        match user_of(name) {
            Some(user) => Ok(user.dir.join(config)),
            None => Err(error(&format!("User {name} does not exist"))),
        }
    }

    /// The host as the file has it.
    fn name(&self) -> String {
        let host = self.host.clone().unwrap_or_default();
        match self.port.as_deref() {
            None | Some(DEFAULT_PORT) => host,
            Some(port) => format!("[{host}]:{port}"),
        }
    }
}

impl Entry {
    fn report(&self) -> Value {
        let mut map = Map::new();
        map.insert("hostname".to_owned(), json!(self.host));
        if self.fingerprint.is_none() {
            map.insert("enc".to_owned(), json!(self.kind));
            map.insert("key".to_owned(), json!(self.key));
        } else {
            map.insert("key".to_owned(), json!(self.key));
            map.insert("enc".to_owned(), json!(self.kind));
            map.insert("fingerprint".to_owned(), json!(self.fingerprint));
        }
        if let Some(port) = &self.port {
            map.insert("port".to_owned(), json!(port));
        }
        Value::Object(map)
    }
}

/// Entries as functions show them: nothing when there are none.
pub(crate) fn report(entries: &[Entry]) -> Value {
    if entries.is_empty() {
        Value::Null
    } else {
        entries.iter().map(Entry::report).collect()
    }
}

fn error(text: &str) -> Value {
    json!({"status": "error", "error": text})
}

fn parse(text: &str, kind: Option<&str>) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [host, key_kind, key] = words.as_slice() else {
            continue;
        };
        if let Some(fingerprint) = fingerprint(key, kind)? {
            entries.push(Entry {
                host: (*host).to_owned(),
                key: (*key).to_owned(),
                kind: (*key_kind).to_owned(),
                fingerprint: Some(fingerprint),
                port: None,
            });
        }
    }
    Ok(entries)
}

/// What the file says of the host, as the program shows it.
fn listed(wanted: &Wanted, file: &Path, env: &Env) -> Result<String, Failure> {
    let argv = [
        "ssh-keygen",
        "-F",
        &wanted.name(),
        "-f",
        &file.to_string_lossy(),
    ];
    Ok(query(&argv, env.cancel)?.stdout.to_string())
}

/// The keys that are known; the error is one that functions answer.
fn stored(wanted: &Wanted, env: &Env) -> Result<Result<Vec<Entry>, Value>, Failure> {
    let file = match wanted.file() {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    parse(
        &listed(wanted, &file, env)?,
        wanted.fingerprint_kind.as_deref(),
    )
    .map(Ok)
}

pub(crate) fn entries(wanted: &Wanted, env: &Env) -> Answer {
    Ok(stored(wanted, env)?.map_or_else(|error| error, |found| report(&found)))
}

pub(crate) fn check(wanted: &Wanted, env: &Env) -> Answer {
    if wanted.host.is_none() {
        return Ok(error("hostname argument required"));
    }
    let found = match stored(wanted, env)? {
        Ok(found) => found,
        Err(error) => return Ok(error),
    };
    let is_known = if wanted.key.is_some() {
        found
            .iter()
            .any(|entry| Some(&entry.key) == wanted.key.as_ref())
    } else if wanted.fingerprint.is_some() {
        found
            .iter()
            .any(|entry| entry.fingerprint == wanted.fingerprint)
    } else {
        true
    };
    Ok(json!(match (found.is_empty(), is_known) {
        (true, _) => "add",
        (false, true) => "exists",
        (false, false) => "update",
    }))
}

/// Asks the host for its keys.
pub(crate) fn receive(wanted: &Wanted, env: &Env) -> Result<Vec<Entry>, Failure> {
    let host = wanted.host.clone().unwrap_or_default();
    let mut argv = vec!["ssh-keyscan"];
    if let Some(port) = &wanted.port {
        argv.extend(["-p", port]);
    }
    if let Some(kind) = &wanted.kind {
        argv.extend(["-t", kind]);
    }
    if wanted.hashes_names {
        argv.push("-H");
    }
    argv.extend(["-T", &wanted.timeout, &host]);
    for _ in 0..ATTEMPTS {
        let done = query(&argv, env.cancel)?;
        if !done.stdout.is_empty() || !done.stderr.is_empty() {
            return parse(&done.stdout, wanted.fingerprint_kind.as_deref());
        }
    }
    Ok(Vec::new())
}

pub(crate) fn remove(wanted: &Wanted, env: &Env) -> Answer {
    if wanted.host.is_none() {
        return Ok(error("hostname argument required"));
    }
    let program = ["-R", &wanted.name()];
    in_file(wanted, env, &program, "removed")
}

pub(crate) fn hash(wanted: &Wanted, env: &Env) -> Answer {
    in_file(wanted, env, &["-H"], "updated")
}

/// Lets the program change the file, which keeps its owner and mode.
fn in_file(wanted: &Wanted, env: &Env, options: &[&str], status: &str) -> Answer {
    let file = match wanted.file() {
        Ok(file) => file,
        Err(error) => return Ok(error),
    };
    let Ok(before) = fs::metadata(&file) else {
        let text = format!("Known hosts file {} does not exist", file.display());
        return Ok(error(&text));
    };
    let path = file.to_string_lossy();
    let argv = [&["ssh-keygen"], options, &["-f", &path]].concat();
    let done = query(&argv, env.cancel)?;
    let user = wanted.user.as_deref().and_then(user_of);
    give_to(&file, user.as_ref())?;
    fs::set_permissions(&file, before.permissions()).map_err(|error| Failure::io(&file, error))?;
    let said = format!("{}{}", &*done.stdout, &*done.stderr);
    Ok(json!({"status": status, "comment": said.trim_end()}))
}

pub(crate) fn set(wanted: &Wanted, env: &Env) -> Answer {
    let Some(host) = wanted.host.clone() else {
        return Ok(error("hostname argument required"));
    };
    let other_port = wanted.port.as_deref().filter(|port| *port != DEFAULT_PORT);
    if other_port.is_some() && wanted.hashes_names {
        let text = "argument port can not be used in conjunction with argument hash_known_hosts";
        return Ok(error(text));
    }
    let stored = match stored(wanted, env)? {
        Ok(stored) => stored,
        Err(error) => return Ok(error),
    };
    let of_kind = |entry: &&Entry| wanted.kind.as_ref().is_none_or(|kind| *kind == entry.kind);
    let stored_keys: Vec<&str> = stored
        .iter()
        .filter(of_kind)
        .map(|entry| entry.key.as_str())
        .collect();
    let knows_fingerprint = |entries: &[Entry]| {
        entries
            .iter()
            .any(|entry| entry.fingerprint == wanted.fingerprint)
    };
    let is_missing = stored.is_empty()
        || (wanted.fingerprint.is_some() && !knows_fingerprint(&stored))
        || wanted
            .key
            .as_deref()
            .is_some_and(|key| !stored_keys.contains(&key));
    let exists = json!({"status": "exists", "keys": stored_keys});
    let asks = !is_missing && wanted.key.is_none() && wanted.fingerprint.is_none();
    if !is_missing && !asks {
        return Ok(exists);
    }
    let mut new = match &wanted.key {
        Some(key) => vec![Entry {
            host,
            key: key.clone(),
            kind: wanted.kind.clone().unwrap_or_default(),
            fingerprint: None,
            port: None,
        }],
        None => receive(wanted, env)?,
    };
    if wanted.key.is_none() {
        if new.is_empty() {
            return Ok(error("Unable to receive remote host keys"));
        }
        if wanted.fingerprint.is_some() && !knows_fingerprint(&new) {
            let text = "Remote host public keys found but none of their fingerprints match the one you have provided";
            return Ok(error(text));
        }
        let is_same = new
            .iter()
            .all(|entry| stored_keys.contains(&entry.key.as_str()))
            && stored_keys
                .iter()
                .all(|key| new.iter().any(|entry| entry.key == *key));
        if asks && is_same {
            return Ok(exists);
        }
    }
    let file = match wanted.file() {
        Ok(file) => file,
        Err(error) => return Ok(error),
    };
    write(wanted, env, &file, &mut new)?;
    if wanted.key.is_some() && wanted.hashes_names {
        hash(wanted, env)?;
    }
    Ok(json!({"status": "updated", "old": report(&stored), "new": report(&new)}))
}

/// Puts entries into the file in place of those of the same host and kind.
fn write(wanted: &Wanted, env: &Env, file: &Path, new: &mut [Entry]) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |error| Failure::io(file, error);
    let before = fs::metadata(file).ok();
    if before.is_some() {
        let old = matched_lines(&listed(wanted, file, env)?, wanted.kind.as_deref());
        if !old.is_empty() {
            let text = Text::read(file)?;
            let kept: String = (1..)
                .zip(byte_lines(text.as_str()))
                .filter(|(number, _)| !old.contains(number))
                .map(|(_, line)| line)
                .collect();
            fs::write(file, text.bytes_of(&kept)).map_err(failed)?;
        }
    }
    let port = wanted.port.as_deref().filter(|port| *port != DEFAULT_PORT);
    let mut lines = String::new();
    for entry in new {
        let host = match port {
            Some(port) if !wanted.hashes_names && !entry.host.contains(':') => {
                entry.port = Some(port.to_owned());
                format!("[{}]:{port}", entry.host)
            }
            _ => entry.host.clone(),
        };
        lines.push_str(&format!("{host} {} {}\n", entry.kind, entry.key));
    }
    let user = wanted.user.as_deref().and_then(user_of);
    if let Some(directory) = file.parent() {
        match &user {
            Some(user) => make_private_directory(directory, Some(user))?,
            None => fs::create_dir_all(directory).map_err(failed)?,
        }
    }
    let mut writer = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)
        .map_err(failed)?;
    writer.write_all(lines.as_bytes()).map_err(failed)?;
    give_to(file, user.as_ref())?;
    let mode = before.map_or(FILE_MODE, |before| before.permissions().mode());
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).map_err(failed)
}

/// The numbers of the lines that the program lists, of one kind of key or all.
fn matched_lines(listed: &str, kind: Option<&str>) -> Vec<usize> {
    let lines: Vec<&str> = listed.lines().collect();
    let number_of = |pair: &[&str]| {
        let number = pair.first()?.split_whitespace().next_back()?.parse().ok()?;
        let found = pair.get(1)?.split_whitespace().rev().nth(1)?;
        kind.is_none_or(|kind| kind == found).then_some(number)
    };
    lines.chunks(2).filter_map(number_of).collect()
}

/// The key, fingerprint or nothing that a comment names first.
pub(crate) fn first(new: &Value, what: &str) -> String {
    python::text(&new[0][what])
}
