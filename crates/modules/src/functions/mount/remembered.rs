//! The options that things were mounted with, which the kernel does not show in full.

use std::fs;

use serde_json::{Map, Value, json};

use super::{Env, Failure};
use crate::edit::replace::replace;

/// The file in the cache directory.
const FILE: &str = "mounts";

/// Only this program reads it.
const MODE: u32 = 0o600;

fn read(env: &Env) -> Map<String, Value> {
    let text = fs::read_to_string(env.ctx.cache_dir().join(FILE)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn write(env: &Env, all: Map<String, Value>) -> Result<(), Failure> {
    let directory = env.ctx.cache_dir();
    let written = fs::create_dir_all(directory).and_then(|()| {
        replace(
            &directory.join(FILE),
            Value::Object(all).to_string().as_bytes(),
            MODE,
        )
    });
    written.map_err(|_| Failure::command("Unable to write mount cache."))
}

/// The options of the last time; none when there was none.
pub(crate) fn options(env: &Env, name: &str) -> Option<Vec<String>> {
    let all = read(env);
    let opts = all.get(name)?.get("opts")?.as_array()?;
    Some(opts.iter().map(crate::python::text).collect())
}

pub(crate) fn keep(env: &Env, name: &str, opts: &[String]) -> Result<(), Failure> {
    let mut all = read(env);
    all.insert(name.to_owned(), json!({"opts": opts}));
    write(env, all)
}

pub(crate) fn forget(env: &Env, name: &str) -> Result<(), Failure> {
    let mut all = read(env);
    match all.remove(name) {
        Some(_) => write(env, all),
        None => Ok(()),
    }
}
