//! The reactor: events that the settings name are answered by what reaction files say, one after the other.
//!
//! A file is rendered where pillars are rendered, with functions that touch no host, and orders jobs, and calls functions of the hub, with the
//! rights of this hub.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use daemon::config::Reactor as Setting;
use events::reaction::{self, Client, Reaction};
use events::{Event, Filters, Item};
use gitsync::Snapshot;
use serde_json::{Map, Value, json};
use sls::render::{NoForeign, Renderer, Source};
use targeting::Glob;
use tokio::sync::Semaphore;
use wire::Jid;
use wire::control::RunAsk;

use crate::caller::Caller;
use crate::pillars::RootsFiles;
use crate::service::Service;

/// Who asks for the jobs of reactions.
const USER: &str = "reactor";
/// The environment of a `salt://` file that names none.
const BASE: &str = "base";
/// Between two events at least: a storm of them is answered evenly, and waits in a queue that says when it is full.
const PAUSE: Duration = Duration::from_millis(10);
/// Reactions to what came out of a reaction's own job, and so on, so deep; further ones go in a circle.
const DEPTH_MAX: u8 = 5;
/// Functions of the hub that reactions call at a time, at most.
const BESIDE_MAX: usize = 16;
/// Jobs of reactions that are remembered, to find circles.
const JOBS_MAX: usize = 4_096;
/// Bytes of one reaction file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Answers events.
pub struct Reactor {
    service: Arc<Service>,
    id: String,
    options: Arc<Value>,
    rules: Vec<(Glob, Vec<String>)>,
    filters: Filters,
    /// For functions of the hub, which may take long: they run beside the reactor.
    places: Arc<Semaphore>,
}

/// Jobs that reactions ordered, with how deep in a row of reactions they are: also those of orchestrations that reactions began.
#[derive(Default)]
pub struct Reactions(Mutex<BTreeMap<Jid, u8>>);

impl Reactions {
    fn jobs(&self) -> MutexGuard<'_, BTreeMap<Jid, u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, jid: Jid, depth: u8) {
        let mut jobs = self.jobs();
        jobs.insert(jid, depth);
        if jobs.len() > JOBS_MAX {
            jobs.pop_first();
        }
    }

    /// How deep a job is; 0 for one that no reaction ordered.
    fn depth(&self, jid: &str) -> u8 {
        let jid: Result<Jid, ()> = jid.parse();
        jid.map_or(0, |jid| self.jobs().get(&jid).copied().unwrap_or(0))
    }
}

impl Reactor {
    /// None when the settings name no event; `options` are what templates see as `opts`.
    ///
    /// # Errors
    /// When the globs are no filter.
    pub fn new(
        service: Arc<Service>,
        id: String,
        options: Map<String, Value>,
        settings: Vec<Setting>,
    ) -> anyhow::Result<Option<Reactor>> {
        if settings.is_empty() {
            return Ok(None);
        }
        let globs: Vec<String> = settings.iter().map(|rule| rule.glob.clone()).collect();
        // Checked one by one; all of them together may be more than one reader would be let have.
        for glob in &globs {
            Filters::new(std::slice::from_ref(glob))
                .map_err(|error| anyhow::anyhow!("`reactor`: {error}"))?;
        }
        let filters = Filters::new(&events::widened(globs.iter().map(String::as_str)))?;
        let rules = settings
            .into_iter()
            .map(|rule| (Glob::new(&rule.glob), rule.files))
            .collect();
        Ok(Some(Reactor {
            service,
            id,
            options: Arc::new(Value::Object(options)),
            rules,
            filters,
            places: Arc::new(Semaphore::new(BESIDE_MAX)),
        }))
    }

    /// Answers events until the hub stops.
    pub async fn run(self) {
        // At the start nobody else reads yet, so there is a place.
        let Ok(Some(subscription)) = self.service.subscribe(self.filters.clone()).await else {
            return;
        };
        loop {
            match subscription.next().await {
                Item::Gap(count) => tracing::error!(
                    alarm = true,
                    "the reactor missed {count} events: there were too many"
                ),
                Item::One(event) => self.answer(event).await,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn answer(&self, event: Event) {
        let files: Vec<String> = self
            .rules
            .iter()
            .filter(|(glob, _)| glob.matches(&event.tag))
            .flat_map(|(_, files)| files.clone())
            .collect();
        if files.is_empty() {
            return;
        }
        let data: Value = serde_json::from_slice(&event.data).unwrap_or_default();
        // As Salt: what the reactor does is told to others, and not to itself.
        if data["user"] == USER {
            return;
        }
        let jid = data["jid"].as_str().unwrap_or_default();
        let depth = self.service.reactions.depth(jid);
        if depth >= DEPTH_MAX {
            tracing::error!(
                alarm = true,
                tag = event.tag,
                "reactions go in a circle: this event came of a job of a reaction, {DEPTH_MAX} in a row; it is not answered"
            );
            return;
        }
        let snapshot = self.service.roots.snapshot(None).await.ok();
        let (tag, options, id) = (event.tag.clone(), self.options.clone(), self.id.clone());
        let work = move || {
            let read =
                |file: &String| rendered(snapshot.as_ref(), &options, &id, file, &tag, &data);
            files.iter().map(read).collect::<Vec<_>>()
        };
        let Ok(read) = tokio::task::spawn_blocking(work).await else {
            tracing::error!(tag = event.tag, "a reaction was given up");
            return;
        };
        for result in read {
            match result {
                Ok(reactions) => {
                    for reaction in reactions {
                        self.react(&event.tag, reaction, depth).await;
                    }
                }
                Err(error) => tracing::error!(tag = event.tag, "no reaction: {error}"),
            }
        }
    }

    async fn react(&self, tag: &str, reaction: Reaction, depth: u8) {
        if reaction.client != Client::Local {
            self.invoke(tag, reaction, depth).await;
            return;
        }
        let Reaction { id, fun, .. } = &reaction;
        match self.order(&reaction, depth).await {
            Ok(jid) => tracing::info!(tag, reaction = id, fun, jid, "reaction"),
            Err(error) => tracing::error!(tag, reaction = id, fun, "a reaction failed: {error}"),
        }
    }

    /// Calls a function of the hub beside the reactor; where too many are under way, it waits for one of them to end.
    async fn invoke(&self, tag: &str, reaction: Reaction, depth: u8) {
        let Ok(place) = self.places.clone().acquire_owned().await else {
            return;
        };
        let (service, tag) = (self.service.clone(), tag.to_owned());
        let fun = match reaction.client {
            Client::Wheel => format!("wheel.{}", reaction.fun),
            _ => reaction.fun.clone(),
        };
        tokio::spawn(async move {
            let _place = place;
            let Reaction {
                id, args, kwargs, ..
            } = reaction;
            // As with jobs, who wrote the reaction has the rights of the hub.
            let caller = Caller::of_reaction(depth + 1);
            let called = service.invoke(&caller, USER, &fun, &args, &kwargs, 0).await;
            match called {
                Ok((_, 0)) => tracing::info!(tag, reaction = id, fun, "reaction"),
                Ok((value, retcode)) => {
                    tracing::error!(
                        tag,
                        reaction = id,
                        fun,
                        retcode,
                        "a reaction failed: {value}"
                    );
                }
                Err(error) => {
                    tracing::error!(tag, reaction = id, fun, "a reaction failed: {error}");
                }
            }
        });
    }

    async fn order(&self, reaction: &Reaction, depth: u8) -> Result<String, String> {
        let text = |value: Value| wire::Json::from(value.to_string().into_bytes());
        let ask = RunAsk {
            target_kind: reaction.target_kind.clone(),
            target: reaction.target.clone(),
            fun: reaction.fun.clone(),
            args: text(Value::Array(reaction.args.clone())),
            kwargs: text(Value::Object(reaction.kwargs.clone())),
            detach: true,
            ..RunAsk::of(USER.to_owned())
        };
        // Who wrote the reaction has the rights of the hub; there is nobody to be asked how many it is for.
        let caller = Caller::of_reaction(depth + 1);
        let ordered = self.service.order(&caller, &ask, None, None).await;
        match ordered {
            Ok(Ok(jid)) => Ok(jid.to_string()),
            Ok(Err(not_taken)) => Err(not_taken.to_string()),
            Err(error) => Err(format!("{error:#}")),
        }
    }
}

/// What the files of one entry of the settings say; errors name the file, and the line where it is known.
fn rendered(
    snapshot: Option<&Snapshot>,
    options: &Value,
    id: &str,
    file: &str,
    tag: &str,
    data: &Value,
) -> Result<Vec<Reaction>, String> {
    let mut reactions = Vec::new();
    for (path, env, text) in sources(snapshot, file)? {
        let grains = json!({ "id": id });
        let none = json!({});
        let functions =
            pillar::functions::Hub::new(id, &grains, options, std::rc::Rc::new(none.clone()));
        let renderer = Renderer {
            files: &RootsFiles(snapshot),
            functions: &functions,
            foreign: &NoForeign,
            grains: &grains,
            pillar: &none,
            opts: options,
        };
        let context = Map::from_iter([
            ("tag".to_owned(), tag.into()),
            ("data".to_owned(), data.clone()),
        ]);
        let source = Source {
            saltenv: &env,
            sls: "",
            path: &path,
            text: &text,
            context,
        };
        let tree = renderer
            .sls(&source)
            .map_err(|error| format!("{path}: {error}"))?;
        reactions.extend(reaction::read(&tree).map_err(|error| format!("{path}: {error}"))?);
    }
    Ok(reactions)
}

/// The path, the environment and the bytes of each file that is meant.
fn sources(
    snapshot: Option<&Snapshot>,
    file: &str,
) -> Result<Vec<(String, String, Vec<u8>)>, String> {
    let Some(named) = file.strip_prefix("salt://") else {
        let mut all = Vec::new();
        for path in on_disk(Path::new(file))? {
            let io = |error: std::io::Error| format!("{}: {error}", path.display());
            let size = std::fs::metadata(&path).map_err(io)?.len();
            if size > FILE_BYTES_MAX {
                return Err(format!(
                    "{}: it has {size} bytes, and a reaction file has at most {FILE_BYTES_MAX}",
                    path.display()
                ));
            }
            let text = std::fs::read(&path).map_err(io)?;
            all.push((path.display().to_string(), BASE.to_owned(), text));
        }
        return Ok(all);
    };
    let (path, env) = match named.split_once("?saltenv=") {
        Some((path, env)) => (path, env),
        None => (named, BASE),
    };
    let snapshot = snapshot.ok_or_else(|| format!("{file}: this hub has no roots yet"))?;
    let found = snapshot
        .read(env, path)
        .map_err(|error| format!("{file}: {error}"))?;
    let found = found.ok_or_else(|| format!("{file}: the roots in service have no such file"))?;
    Ok(vec![(path.to_owned(), env.to_owned(), found.bytes)])
}

/// The files of a path whose last part may be a glob, in order.
fn on_disk(path: &Path) -> Result<Vec<PathBuf>, String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let (Some(folder), Some(name)) = (path.parent(), name) else {
        return Err(format!("{}: it names no file", path.display()));
    };
    if !name.contains(['*', '?', '[']) {
        return Ok(vec![path.to_owned()]);
    }
    let glob = Glob::new(name);
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            name.to_str().is_some_and(|name| glob.matches(name))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    if found.is_empty() {
        return Err(format!("{}: no file matches", path.display()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn react(text: &str) -> Result<Vec<Reaction>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sls");
        std::fs::write(&path, text).unwrap();
        let data = json!({"id": "web1", "data": {"mods": ["a", "b"]}});
        let file = dir.path().join("*.sls").display().to_string();
        rendered(None, &json!({}), "top", &file, "a/b/c", &data)
    }

    #[test]
    fn files_see_the_tag_and_the_data() {
        let text = "\
{% if data['data']['mods'] %}
{{ tag.split('/')[1] }}:
  local.state.apply:
    - tgt: {{ data['id'] }}
    - args:
      - mods: {{ data.data.mods | join(',') }}
{% endif %}
";
        let reactions = react(text).unwrap();
        assert_eq!(reactions.len(), 1);
        assert_eq!(reactions[0].id, "b");
        assert_eq!(reactions[0].target, "web1");
        assert_eq!(reactions[0].kwargs["mods"], "a,b");
        assert_eq!(react("{% if false %}{% endif %}\n").unwrap(), []);
    }

    #[test]
    fn errors_name_the_file_and_the_line() {
        let error = react("a:\n  b: {{ nothing.here }}\n").unwrap_err();
        assert!(
            error.contains("a.sls") && error.contains("line 2"),
            "{error}"
        );
        let error = react("a:\n  local.test.ping: []\n").unwrap_err();
        assert!(error.contains("a.sls: a: it has no tgt"), "{error}");
        let error = react("a:\n  local.cmd.run:\n    - tgt: {{ salt['cmd.run']('id') }}\n");
        assert!(error.unwrap_err().contains("cmd.run"));
    }

    #[test]
    fn files_that_are_not_there_are_said() {
        let sources = |file: &str| super::sources(None, file).unwrap_err();
        assert!(sources("salt://a.sls").contains("no roots"));
        assert!(sources("/nowhere/a.sls").contains("/nowhere/a.sls"));
        assert!(sources("/nowhere/*.sls").contains("/nowhere"));
    }
}
