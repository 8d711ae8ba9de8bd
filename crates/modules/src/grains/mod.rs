//! Core grains: what a host is, read from `/proc`, `/sys` and `/etc`, under Salt's names.
//!
//! Nothing here asks a name server, and the only program that is started is `systemctl --version`, so that a minion
//! starts as fast in a broken network as in a sound one. Left out against Salt, because there is nothing true to say:
//! `python*`, `zmqversion`; `gpus` (needs `lspci`); `uptime` (a grain that changes by itself would travel for ever).
//! `saltversion` and `saltversioninfo` tell formulas, which look at them, whose states these are; ours is `banyanversion`.

mod distribution;
mod hardware;
mod network;
mod system;
mod virtualisation;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::interfaces::{self, Interfaces};

/// The release of Salt whose states and functions are served.
const SALT_VERSION: [u32; 2] = [3008, 3];

/// What the minion knows of itself and the host does not.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The minion's id.
    pub id: &'a str,
    /// Banyan's version.
    pub version: &'a str,
    /// The configured hubs, as the grain `master` shows them.
    pub master: &'a Value,
}

/// Collects the core grains of this host, a JSON object. Static grains of a file are the caller's to lay over them.
pub fn collect(facts: &Facts) -> Value {
    let mut grains = of_root(&Root(PathBuf::from("/")), &interfaces::read(), facts);
    grains.extend(system::of_process());
    Value::Object(grains)
}

/// Reads a static grains file. None there, or an empty one, is no grains; a broken one is an error for the operator.
pub fn read_static(path: &Path) -> Result<Map<String, Value>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(format!("Unable to read existing grains file: {error}")),
    };
    match yaml::parse(&text) {
        Ok(Value::Object(grains)) => Ok(grains),
        Ok(_) => Ok(Map::new()),
        Err(error) => Err(format!("Unable to read existing grains file: {error}")),
    }
}

fn of_root(root: &Root, interfaces: &Interfaces, facts: &Facts) -> Map<String, Value> {
    let mut grains = Map::new();
    grains.insert("id".to_owned(), json!(facts.id));
    grains.insert("banyanversion".to_owned(), json!(facts.version));
    let [major, minor] = SALT_VERSION;
    grains.insert("saltversion".to_owned(), json!(format!("{major}.{minor}")));
    grains.insert("saltversioninfo".to_owned(), json!(SALT_VERSION));
    if !facts.master.is_null() {
        grains.insert("master".to_owned(), facts.master.clone());
    }
    grains.insert("server_id".to_owned(), json!(server_id(facts.id)));
    grains.extend(system::of_kernel(root));
    grains.extend(distribution::of(root, &system::cpuarch(root)));
    grains.extend(hardware::of(root));
    grains.extend(virtualisation::of(root));
    grains.extend(network::of(root, interfaces));
    grains
}

/// The id as a number below 2^31, for programs that want one: Salt's rule, the last bits of its SHA-256.
fn server_id(id: &str) -> u64 {
    let hash = crate::digest::of_bytes(crate::digest::Algorithm::Sha256, id.as_bytes());
    let last = &hash[hash.len() - 8..];
    u64::from_str_radix(last, 16).unwrap_or_default() % (1 << 31)
}

/// The root of the file system that grains are read from; tests use a folder.
struct Root(PathBuf);

impl Root {
    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// A file's text; empty when there is none. Kernel files may hold any bytes.
    fn text(&self, path: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(path)).unwrap_or_default()).into_owned()
    }

    /// A file's text without white space around it; `None` when there is none or it is empty.
    fn line(&self, path: &str) -> Option<String> {
        Some(self.text(path).trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Names in a directory, in order.
    fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests;
