//! `ssh`: keys that may log in, and hosts that are known.

pub(crate) mod keys;
pub(crate) mod known;

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use regex::Regex;
use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::digest::{self, Algorithm};
use crate::python;
use crate::root;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "ssh.auth_keys",
        "user=None, config='.ssh/authorized_keys', fingerprint_hash_type=None",
        "The keys that may log in as a user, with their kinds, comments, options and fingerprints; for a list of users by user.",
        "ssh.auth_keys root",
        keys::auth_keys,
    ),
    Function::new(
        "ssh.check_key",
        "user, key, enc, comment, options, config='.ssh/authorized_keys', cache_keys=None, fingerprint_hash_type=None",
        "What setting a key would do: add, update or exists.",
        "ssh.check_key root KEY ssh-ed25519 comment '[]'",
        |args, _| {
            let place = keys::Place::of(args)?;
            Ok(json!(keys::check(&place, &keys::Key::of(args)?)?))
        },
    ),
    Function::new(
        "ssh.check_key_file",
        "user, source, config='.ssh/authorized_keys', saltenv='base', fingerprint_hash_type=None",
        "What setting the keys of a file would do, by key: add, update or exists.",
        "ssh.check_key_file root salt://ssh/keyfile",
        |args, env| {
            let place = keys::Place::of(args)?;
            let keys = keys::of_source(
                env,
                &args.text("source")?,
                args.optional_text("saltenv")?.as_deref(),
                &place,
            )?;
            let mut checked = Map::new();
            for key in keys.unwrap_or_default() {
                checked.insert(key.key.clone(), json!(keys::check(&place, &key)?));
            }
            Ok(Value::Object(checked))
        },
    ),
    Function::new(
        "ssh.check_known_host",
        "user=None, hostname=None, key=None, fingerprint=None, config=None, port=None, fingerprint_hash_type=None",
        "What setting a known host would do: add, update or exists. Without a user it is about the file of all.",
        "ssh.check_known_host root git.example fingerprint='aa:bb:..'",
        |args, env| known::check(&known::Wanted::of(args, "hostname")?, env),
    ),
    Function::new(
        "ssh.get_known_host_entries",
        "user, hostname, config=None, port=None, fingerprint_hash_type=None",
        "The keys that are known of a host; nothing when there are none.",
        "ssh.get_known_host_entries root git.example",
        |args, env| known::entries(&known::Wanted::of(args, "hostname")?, env),
    ),
    Function::new(
        "ssh.hash_known_hosts",
        "user=None, config=None",
        "Hash the names in a file of known hosts.",
        "ssh.hash_known_hosts root",
        |args, env| known::hash(&known::Wanted::of(args, "")?, env),
    ),
    Function::new(
        "ssh.host_keys",
        "keydir=None, private=True, certs=True",
        "The keys of this host, private ones too unless private=False.",
        "ssh.host_keys private=False",
        host_keys,
    ),
    Function::new(
        "ssh.recv_known_host_entries",
        "hostname, enc=None, port=None, hash_known_hosts=True, timeout=5, fingerprint_hash_type=None",
        "Ask a host for its keys.",
        "ssh.recv_known_host_entries git.example enc=ssh-ed25519",
        |args, env| {
            let found = known::receive(&known::Wanted::of(args, "hostname")?, env)?;
            Ok(known::report(&found))
        },
    ),
    Function::new(
        "ssh.rm_auth_key",
        "user, key, config='.ssh/authorized_keys', fingerprint_hash_type=None",
        "Take a key from those that may log in as a user.",
        "ssh.rm_auth_key root KEY",
        |args, _| keys::remove(&keys::Place::of(args)?, &args.text("key")?).map(Value::from),
    ),
    Function::new(
        "ssh.rm_auth_key_from_file",
        "user, source, config='.ssh/authorized_keys', saltenv='base', fingerprint_hash_type=None",
        "Take the keys of a file from those that may log in as a user.",
        "ssh.rm_auth_key_from_file root salt://ssh/keyfile",
        |args, env| {
            let place = keys::Place::of(args)?;
            let saltenv = args.optional_text("saltenv")?;
            keys::remove_source(env, &args.text("source")?, saltenv.as_deref(), &place)
                .map(Value::from)
        },
    ),
    Function::new(
        "ssh.rm_known_host",
        "user=None, hostname=None, config=None, port=None",
        "Forget the keys of a host.",
        "ssh.rm_known_host root git.example",
        |args, env| known::remove(&known::Wanted::of(args, "hostname")?, env),
    ),
    Function::new(
        "ssh.set_auth_key",
        "user, key, enc='ssh-rsa', comment='', options=None, config='.ssh/authorized_keys', cache_keys=None, fingerprint_hash_type=None",
        "Let a key log in as a user; answers new, replace, no change, or what is wrong.",
        "ssh.set_auth_key root KEY enc=ssh-ed25519",
        |args, env| keys::set(env, &keys::Place::of(args)?, &keys::Key::of(args)?).map(Value::from),
    ),
    Function::new(
        "ssh.set_auth_key_from_file",
        "user, source, config='.ssh/authorized_keys', saltenv='base', fingerprint_hash_type=None, options=None",
        "Let the keys of a file log in as a user; answers new, replace, no change or fail.",
        "ssh.set_auth_key_from_file root salt://ssh/id_rsa.pub",
        |args, env| {
            let place = keys::Place::of(args)?;
            let (saltenv, options) = (args.optional_text("saltenv")?, args.texts("options"));
            keys::set_source(
                env,
                &args.text("source")?,
                saltenv.as_deref(),
                &place,
                &options,
            )
            .map(Value::from)
        },
    ),
    Function::new(
        "ssh.set_known_host",
        "user=None, hostname=None, fingerprint=None, key=None, port=None, enc=None, config=None, hash_known_hosts=True, timeout=5, \
         fingerprint_hash_type=None",
        "Keep the keys of a host as known: the given one, or those that it answers with, which a fingerprint may confirm.",
        "ssh.set_known_host root git.example fingerprint='aa:bb:..' enc=ssh-ed25519",
        |args, env| known::set(&known::Wanted::of(args, "hostname")?, env),
    ),
    Function::new(
        "ssh.user_keys",
        "user=None, pubfile=None, prvfile=None",
        "The key pairs of users by the names of their files. pubfile, prvfile: one file instead of the usual ones, false for none.",
        "ssh.user_keys root prvfile=False",
        user_keys,
    ),
];

/// The kinds of fingerprints that are made when none is named.
const FINGERPRINT: &str = "sha256";

/// The fingerprint of a key in base64, pairs of hexadecimal digits; none for what is no base64.
fn fingerprint(key: &str, kind: Option<&str>) -> Result<Option<String>, Failure> {
    let kind = kind.filter(|kind| !kind.is_empty()).unwrap_or(FINGERPRINT);
    let algorithm = Algorithm::named(kind).map_err(|_| {
        Failure::command(format!(
            "The fingerprint_hash_type {} is not supported.",
            kind.to_lowercase()
        ))
    })?;
    let mut base64 = data_encoding::BASE64.specification();
    // As in Python, bits that no byte takes may be anything.
    base64.check_trailing_bits = false;
    let Some(raw) = base64
        .encoding()
        .ok()
        .and_then(|base64| base64.decode(key.as_bytes()).ok())
    else {
        return Ok(None);
    };
    let digits = digest::of_bytes(algorithm, &raw);
    let pairs: Vec<&str> = (0..digits.len())
        .step_by(2)
        .filter_map(|at| digits.get(at..at + 2))
        .collect();
    Ok(Some(pairs.join(":")))
}

fn user_of(name: &str) -> Option<User> {
    User::from_name(name).ok().flatten()
}

/// Makes a directory that is missing, for its user alone.
fn make_private_directory(directory: &Path, owner: Option<&User>) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    if directory.is_dir() {
        return Ok(());
    }
    let failed = |error| Failure::io(directory, error);
    fs::create_dir_all(directory).map_err(failed)?;
    give_to(directory, owner)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).map_err(failed)
}

/// Gives a file to a user, where this program may.
fn give_to(path: &Path, owner: Option<&User>) -> Result<(), Failure> {
    let Some(owner) = owner.filter(|_| Uid::effective().is_root()) else {
        return Ok(());
    };
    std::os::unix::fs::chown(path, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))
        .map_err(|error| Failure::io(path, error))
}

fn pattern(text: &str) -> Result<Regex, Failure> {
    Regex::new(text).map_err(|error| Failure::command(error.to_string()))
}

fn host_keys(args: &Args, _: &Env) -> Answer {
    let directory = match args.optional_text("keydir")? {
        Some(directory) if !directory.is_empty() => PathBuf::from(directory),
        _ => root::path("/etc/ssh"),
    };
    let name = pattern(r"^ssh_host_(?P<type>.+)_key(?P<pub>(?P<cert>-cert)?\.pub)?")?;
    let mut keys = Map::new();
    for entry in fs::read_dir(&directory).map_err(|error| Failure::io(&directory, error))? {
        let entry = entry.map_err(|error| Failure::io(&directory, error))?;
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(found) = name.captures(&file) else {
            continue;
        };
        let (public, certificate) = (found.name("pub"), found.name("cert"));
        let is_private = public.is_none();
        if (is_private && !args.flag("private")) || (certificate.is_some() && !args.flag("certs")) {
            continue;
        }
        let kind = format!(
            "{}{}",
            &found["type"],
            public.map_or("", |suffix| suffix.as_str())
        );
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        keys.insert(kind, json!(text.trim()));
    }
    Ok(Value::Object(keys))
}

fn user_keys(args: &Args, env: &Env) -> Answer {
    let users = match args.value("user") {
        Value::Null => match env.call(&crate::call::Call::new("user.list_users"))?.value {
            Value::Array(users) => users.iter().map(python::text).collect(),
            _ => Vec::new(),
        },
        Value::Array(users) => users.iter().map(python::text).collect(),
        one => vec![python::text(one)],
    };
    const KINDS: [&str; 4] = ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"];
    let mut files: Vec<String> = Vec::new();
    for (parameter, suffix) in [("pubfile", ".pub"), ("prvfile", "")] {
        match args.value(parameter) {
            Value::Bool(false) => {}
            value if python::truthy(value) => files.push(python::text(value)),
            _ => files.extend(KINDS.iter().map(|kind| format!("{kind}{suffix}"))),
        }
    }
    let mut all = Map::new();
    for name in users {
        let Some(user) = user_of(&name) else {
            continue;
        };
        let mut found = Map::new();
        for file in &files {
            let path = user.dir.join(".ssh").join(file);
            if let Ok(text) = fs::read_to_string(&path) {
                let name = file.rsplit('/').next().unwrap_or(file);
                found.insert(name.to_owned(), json!(text.trim()));
            }
        }
        if !found.is_empty() {
            all.insert(name, Value::Object(found));
        }
    }
    Ok(Value::Object(all))
}
