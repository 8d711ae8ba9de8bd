//! `ssh_auth`: keys that may log in as a user.

use serde_json::{Map, Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::functions::ssh::keys::{self, Key, Place};
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "ssh_auth.absent",
        "name, user, enc='ssh-rsa', comment='', source='', options=None, config='.ssh/authorized_keys', fingerprint_hash_type=None",
        "Keep a key, or the keys of a file, from logging in as a user.",
        |args, env| Ok(absent(&Wanted::of(args)?, env)?.1),
    ),
    StateFunction::new(
        "ssh_auth.manage",
        "name, ssh_keys, user, enc='ssh-rsa', comment='', source='', options=None, config='.ssh/authorized_keys', fingerprint_hash_type=None, **kwargs",
        "Let these keys log in as a user, and no others.",
        manage,
    ),
    StateFunction::new(
        "ssh_auth.present",
        "name, user, enc='ssh-rsa', comment='', source='', options=None, config='.ssh/authorized_keys', fingerprint_hash_type=None, **kwargs",
        "Let a key, or the keys of a file, log in as a user.",
        |args, env| present(&Wanted::of(args)?, env),
    ),
];

/// What a state says: a key or a source of keys, and whose they are.
struct Wanted {
    name: String,
    key: Key,
    place: Place,
    source: String,
}

impl Wanted {
    fn of(args: &Args) -> Result<Wanted, Failure> {
        let options = match args.value("options") {
            Value::Array(options) => options.iter().map(python::text).collect(),
            Value::Null => Vec::new(),
            one => vec![python::text(one)],
        };
        Ok(Wanted {
            name: args.text("name")?,
            key: Key {
                options,
                kind: args.text("enc")?,
                key: String::new(),
                comment: args.text("comment")?,
            },
            place: Place {
                user: args.text("user")?,
                config: args.text("config")?,
                fingerprint_kind: args.optional_text("fingerprint_hash_type")?,
            },
            source: args.optional_text("source")?.unwrap_or_default(),
        })
    }

    /// The key that the name is: alone, with a comment, or a whole line.
    fn named(&self) -> Result<Key, Failure> {
        let mut key = self.key.clone();
        match Key::parse(&self.name)? {
            Some(line) => {
                if !line.options.is_empty() {
                    key.options = line.options;
                }
                if !line.comment.is_empty() {
                    key.comment = line.comment;
                }
                (key.kind, key.key) = (line.kind, line.key);
            }
            None => {
                let name = self.name.trim_start();
                let (word, rest) = name.split_once(char::is_whitespace).unwrap_or((name, ""));
                word.clone_into(&mut key.key);
                if !rest.trim_start().is_empty() {
                    rest.trim_start().clone_into(&mut key.comment);
                }
            }
        }
        Ok(key)
    }

    /// The keys of the source that a status has, as lines of a comment; the return where there is none.
    fn foretold_of_source(
        &self,
        env: &StateEnv,
        line: impl Fn(&str, &str) -> Option<String>,
        otherwise: &str,
    ) -> StateAnswer {
        let saltenv = env.saltenv();
        let keys = keys::of_source(env.env, &self.source, Some(&saltenv), &self.place)?;
        let mut comment = String::new();
        for key in keys.iter().flatten() {
            let status = keys::check(&self.place, key)?;
            comment.push_str(&line(status, &key.key).unwrap_or_default());
        }
        Ok(if !comment.is_empty() {
            returned(None, comment)
        } else if keys.is_some_and(|keys| keys.is_empty()) {
            returned(false, keys::no_keys_in(&self.source))
        } else {
            let source = &self.source;
            returned(
                true,
                format!("All host keys in file {source} are already {otherwise}"),
            )
        })
    }
}

fn present(wanted: &Wanted, env: &StateEnv) -> StateAnswer {
    let user = &wanted.place.user;
    let is_from_source = !wanted.source.is_empty();
    if env.is_test && is_from_source {
        let line = |status: &str, key: &str| {
            (status != "exists").then(|| format!("Set to {status}: {key}\n"))
        };
        return wanted.foretold_of_source(env, line, "present");
    }
    let key = if is_from_source {
        Key {
            key: wanted.name.clone(),
            ..wanted.key.clone()
        }
    } else {
        wanted.named()?
    };
    let name = &key.key;
    let present = format!("The authorized host key {name} is already present for user {user}");
    if env.is_test {
        return Ok(match keys::check(&wanted.place, &key)? {
            "update" => returned(
                None,
                format!("Key {name} for user {user} is set to be updated"),
            ),
            "add" => returned(
                None,
                format!("Key {name} for user {user} is set to be added"),
            ),
            _ => returned(true, present),
        });
    }
    let mut error = None;
    let data = if is_from_source {
        let saltenv = env.saltenv();
        match keys::of_source(env.env, &wanted.source, Some(&saltenv), &wanted.place)? {
            None => "no key",
            Some(keys) => {
                error = keys.is_empty().then(|| keys::no_keys_in(&wanted.source));
                let options = &wanted.key.options;
                keys::set_source(
                    env.env,
                    &wanted.source,
                    Some(&saltenv),
                    &wanted.place,
                    options,
                )?
            }
        }
    } else {
        keys::set(env.env, &wanted.place, &key)?
    };
    let told = |what: &str| format!("The authorized host key {name} for user {user} was {what}");
    Ok(match data {
        "replace" => changed(true, told("updated"), json!({name.as_str(): "Updated"})),
        "new" => changed(true, told("added"), json!({name.as_str(): "New"})),
        "no change" => returned(true, present),
        "no key" => {
            let source = &wanted.source;
            returned(
                false,
                format!("Failed to add the ssh key. Source file {source} is missing"),
            )
        }
        "fail" => {
            let text = "Failed to add the ssh key. Is the home directory available, and/or does the key file exist?";
            returned(false, error.unwrap_or_else(|| text.to_owned()))
        }
        _ => returned(
            false,
            "Invalid public ssh key, most likely has spaces or invalid syntax",
        ),
    })
}

/// Takes keys away; answers the key as well.
fn absent(wanted: &Wanted, env: &StateEnv) -> Result<(String, Return), Failure> {
    let name = &wanted.name;
    if !wanted.source.is_empty() {
        if env.is_test {
            let line = |status: &str, key: &str| {
                (status != "add").then(|| format!("Set to remove: {key}\n"))
            };
            let foretold = wanted.foretold_of_source(env, line, "absent")?;
            return Ok((name.clone(), foretold));
        }
        let saltenv = env.saltenv();
        let keys = keys::of_source(env.env, &wanted.source, Some(&saltenv), &wanted.place)?;
        let comment = match keys {
            Some(_) => keys::remove_source(env.env, &wanted.source, Some(&saltenv), &wanted.place)?,
            None => "",
        };
        return Ok((name.clone(), removed(name, comment)));
    }
    let key = wanted.named()?;
    let (name, user) = (key.key.clone(), &wanted.place.user);
    if env.is_test {
        let foretold = match keys::check(&wanted.place, &key)? {
            "add" => returned(true, "Key is already absent"),
            _ => returned(
                None,
                format!("Key {name} for user {user} is set for removal"),
            ),
        };
        return Ok((name, foretold));
    }
    let comment = keys::remove(&wanted.place, &name)?;
    let done = removed(&name, &comment);
    Ok((name, done))
}

fn removed(name: &str, comment: &str) -> Return {
    let changes = match comment {
        "Key removed" => json!({name: "Removed"}),
        _ => json!({}),
    };
    changed(true, comment, changes)
}

fn manage(args: &Args, env: &StateEnv) -> StateAnswer {
    let ssh_keys = match args.value("ssh_keys") {
        Value::Array(keys) => keys.iter().map(python::text).collect(),
        Value::Null => Vec::new(),
        one => vec![python::text(one)],
    };
    let words: Vec<&str> = ssh_keys.iter().flat_map(|key| key.split(' ')).collect();
    let mut done = Return {
        name: Some(String::new()),
        ..returned(true, "")
    };
    let mut changes = Map::new();
    for key in Wanted::of(args)?.place.keys()? {
        if words.contains(&key.key.as_str()) {
            continue;
        }
        if env.is_test {
            done.comment = format!("{} Key set for removal", key.key);
            done.result = None;
            continue;
        }
        let wanted = Wanted {
            name: key.key.clone(),
            ..Wanted::of(args)?
        };
        changes.insert(key.key, json!(absent(&wanted, env)?.1.comment));
    }
    for key in ssh_keys {
        let wanted = Wanted {
            name: key,
            ..Wanted::of(args)?
        };
        let one = present(&wanted, env)?;
        if one.changes.is_empty() {
            done.comment = format!("{}\n{}", done.comment, one.comment)
                .trim()
                .to_owned();
        }
        changes.extend(one.changes);
        match one.result {
            None => done.result = None,
            Some(false) => done.result = Some(false),
            Some(true) => {}
        }
    }
    done.changes = changes;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Host, play};

    #[test]
    fn states_answer_as_salt_does() {
        let set_up = |host: &Host| {
            host.write(
                "roots/base/keys",
                "# two\nssh-rsa YWJj one\nx ssh-ed25519 YWJk two words\n",
            );
            host.write("roots/base/none", "nothing\n");
            std::fs::create_dir_all(host.path("keys")).unwrap();
        };
        play(
            include_str!("testdata/ssh_auth.json"),
            "keys/ak",
            set_up,
            |host, args| {
                let text = args.to_string().replace("<DIR>", &host.path("keys"));
                serde_json::from_str(&text).unwrap()
            },
        );
    }

    #[test]
    fn new_files_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let host = Host::new();
        let path = host.path("a/b/keys");
        let args = json!({"name": "YWJj", "user": "root", "config": path});
        host.state("ssh_auth.present", args, false);
        let mode = |path: &str| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&host.path("a/b"))), (0o600, 0o700));
    }
}
