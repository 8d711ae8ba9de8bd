//! The keys that may log in as a user: `authorized_keys`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{
    Answer, Args, Env, Failure, fingerprint, give_to, make_private_directory, pattern, user_of,
};
use crate::edit::replace::replace;
use crate::edit::text::Text;
use crate::process::{query, which};
use crate::python;
use crate::source;

/// Mode of a new file of keys.
const FILE_MODE: u32 = 0o600;

/// A key, its kind, and what stands around it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) options: Vec<String>,
    pub(crate) kind: String,
    pub(crate) key: String,
    pub(crate) comment: String,
}

/// Whose keys, and in which file.
pub(crate) struct Place {
    pub(crate) user: String,
    /// Below the home directory unless absolute; `%h` is the home and `%u` the user.
    pub(crate) config: String,
    pub(crate) fingerprint_kind: Option<String>,
}

impl Place {
    pub(crate) fn of(args: &Args) -> Result<Place, Failure> {
        Ok(Place {
            user: args.text("user")?,
            config: args.text("config")?,
            fingerprint_kind: args.optional_text("fingerprint_hash_type")?,
        })
    }

    fn file(&self) -> Result<PathBuf, Failure> {
        let user = user_of(&self.user)
            .ok_or_else(|| Failure::command(format!("User '{}' does not exist", self.user)))?;
        let home = user.dir.to_string_lossy().into_owned();
        let mut path = String::new();
        let mut chars = self.config.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                path.push(c);
                continue;
            }
            match chars.next() {
                Some('%') => path.push('%'),
                Some('u') => path.push_str(&self.user),
                Some('h') => path.push_str(&home),
                Some(other) => {
                    return Err(Failure::command(format!(
                        "AuthorizedKeysFile path: unknown token character \"%{other}\""
                    )));
                }
                None => {
                    return Err(Failure::command(
                        "AuthorizedKeysFile path: Last character can't be escape character",
                    ));
                }
            }
        }
        Ok(user.dir.join(path))
    }

    /// The keys that are there; none without a file.
    pub(crate) fn keys(&self) -> Result<Vec<Key>, Failure> {
        match self.file() {
            Ok(file) if file.is_file() => self.keys_in(&file),
            _ => Ok(Vec::new()),
        }
    }

    fn keys_in(&self, file: &std::path::Path) -> Result<Vec<Key>, Failure> {
        let text = fs::read(file).map_err(|_| {
            Failure::command(format!("Problem reading ssh key file {}", file.display()))
        })?;
        let text = Text::of_bytes(text);
        let mut keys: Vec<Key> = Vec::new();
        for line in text.as_str().lines().map(str::trim) {
            let Some(key) = Key::parse(line)? else {
                continue;
            };
            if fingerprint(&key.key, self.fingerprint_kind.as_deref())?.is_some() {
                keys.retain(|known| known.key != key.key);
                keys.push(key);
            }
        }
        Ok(keys)
    }
}

impl Key {
    pub(super) fn of(args: &Args) -> Result<Key, Failure> {
        Ok(Key {
            options: args.texts("options"),
            kind: args.text("enc")?,
            key: args.text("key")?,
            comment: args.text("comment")?,
        })
    }

    /// A line of a file of keys; none for comments and what has no kind of key.
    pub(crate) fn parse(line: &str) -> Result<Option<Key>, Failure> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let shape = pattern(r"^(.*?)\s?((?:sk-)?(?:ssh\-|ecds)[\w@.-]+\s.+)$")?;
        let Some(found) = shape.captures(line) else {
            return Ok(None);
        };
        let words: Vec<&str> = found[2].split_whitespace().collect();
        let [kind, key, comment @ ..] = words.as_slice() else {
            return Ok(None);
        };
        let options = match &found[1] {
            "" => Vec::new(),
            options => options.split(',').map(str::to_owned).collect(),
        };
        Ok(Some(Key {
            options,
            kind: (*kind).to_owned(),
            key: (*key).to_owned(),
            comment: comment.join(" "),
        }))
    }

    fn line(&self) -> String {
        let options = match self.options.as_slice() {
            [] => String::new(),
            options => format!("{} ", options.join(",")),
        };
        format!("{options}{} {} {}\n", self.kind, self.key, self.comment)
    }
}

/// The full name of a kind of keys.
fn full_kind(kind: &str) -> Result<String, Failure> {
    let full = match kind {
        "r" | "rsa" => "ssh-rsa",
        "d" | "dsa" | "dss" => "ssh-dss",
        "e" | "ecdsa" => "ecdsa-sha2-nistp256",
        "ed25519" => "ssh-ed25519",
        "ssh-rsa"
        | "ssh-dss"
        | "ecdsa-sha2-nistp521"
        | "ecdsa-sha2-nistp384"
        | "ecdsa-sha2-nistp256"
        | "ssh-ed25519"
        | "rsa-sha2-512"
        | "rsa-sha2-256"
        | "rsa-sha2-512-cert-v01@openssh.com"
        | "rsa-sha2-256-cert-v01@openssh.com"
        | "ssh-rsa-cert-v01@openssh.com"
        | "ecdsa-sha2-nistp256-cert-v01@openssh.com"
        | "ecdsa-sha2-nistp384-cert-v01@openssh.com"
        | "ecdsa-sha2-nistp521-cert-v01@openssh.com"
        | "sk-ecdsa-sha2-nistp256@openssh.com"
        | "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"
        | "ssh-ed25519-cert-v01@openssh.com"
        | "sk-ssh-ed25519@openssh.com"
        | "sk-ssh-ed25519-cert-v01@openssh.com" => kind,
        _ => {
            return Err(Failure::command(format!(
                "Incorrect encryption key type '{kind}'."
            )));
        }
    };
    Ok(full.to_owned())
}

pub(super) fn auth_keys(args: &Args, env: &Env) -> Answer {
    let (users, is_one) = match args.value("user") {
        Value::Array(users) => (users.iter().map(python::text).collect(), false),
        user if python::truthy(user) => (vec![python::text(user)], true),
        _ => match env.call(&crate::call::Call::new("user.list_users"))?.value {
            Value::Array(users) => (users.iter().map(python::text).collect(), false),
            _ => (Vec::new(), false),
        },
    };
    let mut all = Map::new();
    for user in users {
        let place = Place {
            user: user.clone(),
            config: args.text("config")?,
            fingerprint_kind: args.optional_text("fingerprint_hash_type")?,
        };
        let has_file = place.file().is_ok_and(|file| file.is_file());
        let mut keys = Map::new();
        for key in place.keys()? {
            let shown = json!({
                "enc": key.kind, "comment": key.comment, "options": key.options,
                "fingerprint": fingerprint(&key.key, place.fingerprint_kind.as_deref())?,
            });
            keys.insert(key.key, shown);
        }
        if is_one {
            return Ok(Value::Object(keys));
        }
        if has_file {
            all.insert(user, Value::Object(keys));
        }
    }
    Ok(Value::Object(all))
}

/// What setting a key would do.
pub(crate) fn check(place: &Place, key: &Key) -> Result<&'static str, Failure> {
    let key = Key {
        kind: full_kind(&key.kind)?,
        ..key.clone()
    };
    let known = place.keys()?.into_iter().find(|known| known.key == key.key);
    Ok(match known {
        None => "add",
        Some(known) if known.line() == key.line() => "exists",
        Some(_) => "update",
    })
}

/// Lets a key log in; answers what became of it in the words of `ssh.set_auth_key`.
pub(crate) fn set(env: &Env, place: &Place, key: &Key) -> Result<&'static str, Failure> {
    if key.key.split_whitespace().count() > 1 {
        return Ok("invalid");
    }
    let key = Key {
        kind: full_kind(&key.kind)?,
        ..key.clone()
    };
    let Some(user) = user_of(&place.user) else {
        return Ok("fail");
    };
    if fingerprint(&key.key, place.fingerprint_kind.as_deref())?.is_none() {
        return Ok("Invalid public key");
    }
    match check(place, &key)? {
        "exists" => return Ok("no change"),
        "update" => {
            replace_line(place, &key)?;
            return Ok("replace");
        }
        _ => {}
    }
    let file = place.file()?;
    if file.starts_with(&user.dir) && !user.dir.is_dir() {
        return Ok("fail");
    }
    if let Some(directory) = file.parent().filter(|directory| !directory.is_dir()) {
        make_private_directory(directory, Some(&user))?;
        restore_context(env, directory)?;
    }
    let unwritten =
        |error: std::io::Error| Failure::command(format!("Could not write to key file: {error}"));
    let is_new = !file.is_file();
    let mut text = match is_new {
        true => String::new(),
        false => {
            let ended = fs::read(&file).map_err(unwritten)?;
            String::from(if ended.last().is_none_or(|last| *last == b'\n') {
                ""
            } else {
                "\n"
            })
        }
    };
    text.push_str(&key.line());
    let mut writer = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(FILE_MODE)
        .open(&file)
        .map_err(unwritten)?;
    writer.write_all(text.as_bytes()).map_err(unwritten)?;
    if is_new {
        give_to(&file, Some(&user))?;
        restore_context(env, &file)?;
    }
    Ok("new")
}

/// Where SELinux labels files the new one gets its label.
fn restore_context(env: &Env, path: &std::path::Path) -> Result<(), Failure> {
    if which("restorecon").is_some() {
        query(&["restorecon", &path.to_string_lossy()], env.cancel)?;
    }
    Ok(())
}

fn lines_of(place: &Place) -> Result<(PathBuf, Text), Failure> {
    let file = place.file()?;
    let text = Text::read(&file).map_err(|error| {
        Failure::command(format!("Problem reading or writing to key file: {error}"))
    })?;
    Ok((file, text))
}

/// The lines of a file without their indentation, except empty ones.
fn filled_lines(text: &Text) -> impl Iterator<Item = &str> {
    text.as_str()
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
}

fn write(file: &std::path::Path, text: &Text, new: &str) -> Result<(), Failure> {
    replace(file, &text.bytes_of(new), FILE_MODE).map_err(|error| {
        Failure::command(format!("Problem reading or writing to key file: {error}"))
    })
}

/// Puts a key in place of the line that has it.
fn replace_line(place: &Place, key: &Key) -> Result<(), Failure> {
    let (file, text) = lines_of(place)?;
    let shape =
        pattern(r"((.*)\s)?((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+)\s([a-zA-Z0-9+/]+={0,2})(\s(.*))?")?;
    let mut new = String::new();
    for line in filled_lines(&text) {
        let found = shape.captures(line).filter(|_| !line.starts_with('#'));
        if found.is_some_and(|found| found[4] == key.key) {
            new.push_str(&text.spelled(&key.line()));
        } else {
            new.push_str(&format!("{line}\n"));
        }
    }
    write(&file, &text, &new)
}

/// Takes a key away; answers what became of it.
pub(crate) fn remove(place: &Place, key: &str) -> Result<String, Failure> {
    if !place.keys()?.iter().any(|known| known.key == key) {
        return Ok("Key not present".to_owned());
    }
    let file = place.file()?;
    let Ok((_, text)) = lines_of(place) else {
        return Ok("Key not removed".to_owned());
    };
    let mut new = String::new();
    for line in filled_lines(&text) {
        let is_kept = match Key::parse(line)? {
            Some(known) => known.key != key,
            None => line.starts_with('#'),
        };
        if is_kept {
            new.push_str(&format!("{line}\n"));
        }
    }
    Ok(match write(&file, &text, &new) {
        Ok(()) => "Key removed".to_owned(),
        Err(failure) => {
            tracing::warn!("a key was not removed: {failure}");
            "Key not removed".to_owned()
        }
    })
}

/// The keys of a file of the hub or of this host; none when there is no such file.
pub(crate) fn of_source(
    env: &Env,
    from: &str,
    saltenv: Option<&str>,
    place: &Place,
) -> Result<Option<Vec<Key>>, Failure> {
    match source::fetch(env.ctx, from, saltenv) {
        Ok(local) => place.keys_in(&local).map(Some),
        Err(failure) => {
            tracing::warn!(from, "a file was not fetched: {failure}");
            Ok(None)
        }
    }
}

/// What is wrong with a file without keys.
pub(crate) fn no_keys_in(source: &str) -> String {
    format!("No keys detected in {source}. Is file properly formatted?")
}

fn needed(
    env: &Env,
    source: &str,
    saltenv: Option<&str>,
    place: &Place,
) -> Result<Vec<Key>, Failure> {
    of_source(env, source, saltenv, place)?
        .ok_or_else(|| Failure::command("Failed to pull key file from salt file server"))
}

/// Lets the keys of a file log in; `options` are instead of those in the file.
pub(crate) fn set_source(
    env: &Env,
    source: &str,
    saltenv: Option<&str>,
    place: &Place,
    options: &[String],
) -> Result<&'static str, Failure> {
    let keys = needed(env, source, saltenv, place)?;
    let mut done = Vec::new();
    for mut key in keys {
        if !options.is_empty() {
            key.options = options.to_vec();
        }
        done.push(set(env, place, &key)?);
    }
    let worst = ["fail", "replace", "new"]
        .into_iter()
        .find(|word| done.contains(word));
    Ok(if done.is_empty() {
        "fail"
    } else {
        worst.unwrap_or("no change")
    })
}

/// Takes the keys of a file away.
pub(crate) fn remove_source(
    env: &Env,
    source: &str,
    saltenv: Option<&str>,
    place: &Place,
) -> Result<&'static str, Failure> {
    let keys = needed(env, source, saltenv, place)?;
    if keys.is_empty() {
        return Ok("fail");
    }
    let mut done = Vec::new();
    for key in keys {
        done.push(remove(place, &key.key)?);
    }
    let words = ["Key not removed", "Key removed"];
    let worst = words
        .into_iter()
        .find(|word| done.iter().any(|done| done == word));
    Ok(worst.unwrap_or("Key not present"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let key = |options: &[&str], kind: &str, key: &str, comment: &str| {
            Some(Key {
                options: options.iter().map(|&option| option.to_owned()).collect(),
                kind: kind.to_owned(),
                key: key.to_owned(),
                comment: comment.to_owned(),
            })
        };
        let check =
            |line: &str, expected| assert_eq!(Key::parse(line).unwrap(), expected, "{line}");
        check("ssh-rsa AAAA me", key(&[], "ssh-rsa", "AAAA", "me"));
        check(
            "a,b=\"c d\" ssh-rsa AAAA me and  you",
            key(&["a", "b=\"c d\""], "ssh-rsa", "AAAA", "me and you"),
        );
        check(
            "sk-ssh-ed25519@openssh.com AAAA",
            key(&[], "sk-ssh-ed25519@openssh.com", "AAAA", ""),
        );
        check(
            "ecdsa-sha2-nistp256 AAAA",
            key(&[], "ecdsa-sha2-nistp256", "AAAA", ""),
        );
        check("# ssh-rsa AAAA", None);
        check("AAAA", None);
    }

    #[test]
    fn fingerprints_are_those_of_the_bytes() {
        let abc = "ba:78:16:bf:8f:01:cf:ea:41:41:40:de:5d:ae:22:23:b0:03:61:a3:96:17:7a:9c:b4:10:ff:61:f2:00:15:ad";
        assert_eq!(fingerprint("YWJj", None).unwrap().as_deref(), Some(abc));
        let md5 = fingerprint("YWJj", Some("MD5")).unwrap().unwrap();
        assert!(md5.starts_with("90:01:50:98"), "{md5}");
        assert_eq!(fingerprint("YWJ", None).unwrap(), None);
        assert!(fingerprint("YWJj", Some("rot13")).is_err());
    }
}
