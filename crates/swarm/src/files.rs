//! Files of the roots, asked for as a minion does: what is there, and the content unless it is here already.
//!
//! Contents are hashed and dropped. What a minion has is remembered, so that the second time costs the hub what it costs it
//! with a minion's cache.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wire::files::{Answer, Request};
use wire::{JobOrder, Return, UnixMillis};

use crate::minion::unix_now;

/// The environment of jobs that name none.
const ENV: &str = "base";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// `cp.cache_file`: a path below the roots.
    File(String),
    /// `cp.get_dir`: the files that begin so, and where they would go.
    Folder { path: String, dest: String },
}

/// Hashes of the contents that a minion has.
#[derive(Debug, Default, Clone)]
pub struct Cache(Arc<Mutex<HashSet<String>>>);

impl Cache {
    fn has(&self, hash: &str) -> bool {
        self.hashes().contains(hash)
    }

    fn add(&self, hash: String) {
        self.hashes().insert(hash);
    }

    fn hashes(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job that fetches files.
#[derive(Debug)]
pub struct Fetch {
    order: Arc<JobOrder>,
    wanted: Wanted,
    cache: Cache,
    hub: link::Sender,
}

impl Fetch {
    /// None for a job that fetches none.
    pub fn of(order: &Arc<JobOrder>, cache: &Cache, hub: &link::Sender) -> Option<Fetch> {
        Some(Fetch {
            wanted: wanted(&order.fun, &order.args)?,
            order: order.clone(),
            cache: cache.clone(),
            hub: hub.clone(),
        })
    }

    /// Fetches, and gives the return of the job.
    pub async fn run(self) -> Return {
        let started = unix_now();
        let result = match &self.wanted {
            Wanted::File(path) => self.file(path).await.map(|()| json!(path)),
            Wanted::Folder { path, dest } => self.folder(path, dest).await,
        };
        self.returned(started, result)
    }

    fn returned(&self, started: UnixMillis, result: anyhow::Result<Value>) -> Return {
        let success = result.is_ok();
        let value = result.unwrap_or_else(|error| json!(format!("{error:#}")));
        Return {
            jid: self.order.jid,
            retcode: if success { 0 } else { 1 },
            success,
            value: value.to_string().into_bytes().into(),
            started,
            duration_ms: unix_now().saturating_sub(started) as u32,
        }
    }

    async fn folder(&self, path: &str, dest: &str) -> anyhow::Result<Value> {
        let request = Request::List {
            roots: self.order.options.roots.clone(),
            env: ENV.to_owned(),
            prefix: format!("{path}/"),
        };
        let entries = match self.hub.request(&request).await?.0 {
            Answer::List {
                entries,
                cut: false,
            } => entries,
            other => bail!("the hub lists no files: {other:?}"),
        };
        let mut written = Vec::with_capacity(entries.len());
        for entry in entries {
            self.file(&entry.path).await?;
            written.push(format!("{dest}/{}", entry.path));
        }
        Ok(json!(written))
    }

    /// One after the other, as a minion does it.
    async fn file(&self, path: &str) -> anyhow::Result<()> {
        let roots = self.order.options.roots.clone();
        let request = Request::Stat {
            roots: roots.clone(),
            env: ENV.to_owned(),
            path: path.to_owned(),
        };
        let entry = match self.hub.request(&request).await?.0 {
            Answer::Stat(entry) => entry.with_context(|| format!("there is no {path}"))?,
            other => bail!("the hub says nothing of {path}: {other:?}"),
        };
        if self.cache.has(&entry.sha256) {
            return Ok(());
        }
        let request = Request::Content {
            roots,
            env: ENV.to_owned(),
            path: path.to_owned(),
            offset: 0,
        };
        let (answer, mut body) = self.hub.request(&request).await?;
        ensure!(
            matches!(answer, Answer::Content { .. }),
            "the hub has no content of {path}: {answer:?}"
        );
        let mut hash = Sha256::new();
        while let Some(bytes) = body.next().await? {
            hash.update(&bytes);
        }
        let hash: String = hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        ensure!(hash == entry.sha256, "{path} arrived with another content");
        self.cache.add(hash);
        Ok(())
    }
}

fn wanted(fun: &str, args: &[u8]) -> Option<Wanted> {
    let args: Vec<String> = serde_json::from_slice(args).ok()?;
    let path = args.first()?.strip_prefix("salt://")?.to_owned();
    match fun {
        "cp.cache_file" => Some(Wanted::File(path)),
        "cp.get_dir" => Some(Wanted::Folder {
            path,
            dest: args.into_iter().nth(1)?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fun: &str, args: &str, expected: Option<Wanted>) {
        assert_eq!(wanted(fun, args.as_bytes()), expected, "{fun} {args}");
    }

    #[test]
    fn few_functions_fetch_files() {
        let file = Wanted::File("a/b".to_owned());
        check("cp.cache_file", r#"["salt://a/b"]"#, Some(file));
        let folder = Wanted::Folder {
            path: "a".to_owned(),
            dest: "/srv".to_owned(),
        };
        check("cp.get_dir", r#"["salt://a", "/srv"]"#, Some(folder));
        check("cp.get_dir", r#"["salt://a"]"#, None);
        check("cp.cache_file", r#"["/etc/hosts"]"#, None);
        check("cp.cache_file", "[7]", None);
        check("test.echo", r#"["salt://a/b"]"#, None);
    }

    #[test]
    fn a_cache_is_shared_and_remembers() {
        let cache = Cache::default();
        assert!(!cache.has("h"));
        cache.clone().add("h".to_owned());
        assert!(cache.has("h"));
    }
}
