//! Brings the custom modules of the roots onto this host, and finds out what they offer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::bridge::{Bridge, Sight};
use super::catalog::{Catalog, is_python, stem};
use super::talk::{self, Fault, Said};
use super::{are_on, call};
use crate::context::FileSource;
use crate::digest::{self, Algorithm};
use crate::failure::Failure;
use crate::python;
use crate::registry::Env;

/// What can be custom, as the folders of the roots are named behind their underscore.
pub(crate) const KINDS: &[&str] = &["modules", "states", "grains", "utils"];

/// How long a program may take to say what it offers, and all Python modules together to load.
const DESCRIBE_TIME_MAX: Duration = Duration::from_secs(60);
/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;

/// The file that tells what was brought.
const BROUGHT: &str = "brought.json";

/// One at a time changes the files.
static FILES: Mutex<()> = Mutex::new(());

/// What is to be brought.
pub(crate) struct Wanted<'a> {
    /// Of [`KINDS`].
    pub(crate) kinds: &'a [&'a str],
    /// The environments; of two files of one name the last counts.
    pub(crate) environments: Vec<String>,
    /// The only modules of a kind, where a kind has any here.
    pub(crate) whitelist: Map<String, Value>,
    /// Modules of a kind that are left out.
    pub(crate) blacklist: Map<String, Value>,
}

/// Where they lie.
pub(super) fn folder(cache_dir: &Path) -> PathBuf {
    cache_dir.join("extmods")
}

/// Brings custom modules before a state run, unless the configuration says otherwise. What goes wrong is logged, and shows where a module is missed.
pub(crate) fn autoload<'a>(env: &Env, environments: impl Iterator<Item = &'a String>) {
    let options = env.ctx.options();
    let is_wanted = options
        .get("autoload_dynamic_modules")
        .is_none_or(python::truthy);
    if !are_on(&options) || !is_wanted {
        return;
    }
    let wanted = Wanted {
        kinds: KINDS,
        environments: environments.cloned().collect(),
        whitelist: Map::new(),
        blacklist: Map::new(),
    };
    if let Err(failure) = sync(env, &wanted) {
        tracing::warn!("custom modules could not be brought: {failure}");
    }
}

/// Brings them, and answers by kind what is new or has changed, as `modules.disks`. Fails where the configuration does not let them run and the
/// roots have some.
pub(crate) fn sync(
    env: &Env,
    wanted: &Wanted<'_>,
) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let options = env.ctx.options();
    let folder = folder(env.ctx.cache_dir());
    let mut changed = BTreeMap::new();
    let mut is_touched = false;
    {
        let _one = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all_sources(env.ctx.files(), &wanted.environments)?;
        let mut brought = Brought::read(&folder);
        for kind in wanted.kinds {
            let sources = of_kind(&all, kind, wanted);
            if !are_on(&options) {
                if let Some(source) = sources.keys().next() {
                    return Err(Failure::command(format!(
                        "The roots have custom modules (_{kind}/{source}), and this minion runs none: set custom_modules: true in its \
                         configuration"
                    )));
                }
                changed.insert((*kind).to_owned(), Vec::new());
                continue;
            }
            let mut place = Place {
                folder: folder.join(kind),
                files: env.ctx.files(),
                changed: BTreeSet::new(),
                is_touched: false,
            };
            place.bring(kind, &sources, &mut brought)?;
            let cleans = options.get("clean_dynamic_modules");
            if cleans.is_none_or(python::truthy) {
                place.clean(kind, &sources)?;
            }
            is_touched |= place.is_touched;
            let names = place.changed.iter().map(|name| format!("{kind}.{name}"));
            changed.insert((*kind).to_owned(), names.collect());
        }
        if brought.is_changed {
            brought
                .write(&folder)
                .map_err(|error| Failure::io(&folder, error))?;
        }
    }
    if is_touched {
        Catalog::forget(&folder);
    }
    // A job that was ended here before leaves that to the next one.
    if are_on(&options) && folder.is_dir() && !Catalog::is_kept(&folder) {
        describe_again(env)?;
        if changed.get("grains").is_some_and(|names| !names.is_empty()) {
            env.ctx.refresh_grains();
        }
    }
    Ok(changed)
}

/// A file of the roots.
#[derive(Clone)]
struct Source {
    saltenv: String,
    fingerprint: String,
}

/// All that may be custom modules, by path.
fn all_sources(
    files: &dyn FileSource,
    environments: &[String],
) -> Result<BTreeMap<String, Source>, Failure> {
    let known = files.envs().map_err(Failure::Command)?;
    let mut all = BTreeMap::new();
    for saltenv in environments.iter().filter(|name| known.contains(name)) {
        let found = files.fingerprints(saltenv, "_").map_err(Failure::Command)?;
        for (path, fingerprint) in found {
            let source = Source {
                saltenv: saltenv.clone(),
                fingerprint,
            };
            all.insert(path, source);
        }
    }
    Ok(all)
}

/// Those of a kind that are wanted, by path below its folder.
fn of_kind(
    all: &BTreeMap<String, Source>,
    kind: &str,
    wanted: &Wanted<'_>,
) -> BTreeMap<String, Source> {
    let prefix = format!("_{kind}/");
    let named = |lists: &Map<String, Value>, name: &str| {
        let names = lists.get(kind)?.as_array()?;
        Some(names.iter().any(|listed| python::text(listed) == name))
    };
    let is_wanted = |path: &str| {
        let name = dotted(path);
        path.split('/').all(|part| !["", ".", ".."].contains(&part))
            && named(&wanted.whitelist, &name) != Some(false)
            && named(&wanted.blacklist, &name) != Some(true)
    };
    let below = all.iter().filter_map(|(path, source)| {
        let path = path.strip_prefix(&prefix)?;
        is_wanted(path).then(|| (path.to_owned(), source.clone()))
    });
    below.collect()
}

/// What was looked at already: the fingerprint of each file of the roots, and whether it has a place here.
struct Brought {
    files: Map<String, Value>,
    is_changed: bool,
}

impl Brought {
    fn read(folder: &Path) -> Brought {
        // Without it everything is looked at anew.
        let files = fs::read(folder.join(BROUGHT)).ok();
        let files = files.and_then(|text| serde_json::from_slice(&text).ok());
        Brought {
            files: files.unwrap_or_default(),
            is_changed: false,
        }
    }

    fn write(&self, folder: &Path) -> std::io::Result<()> {
        make_folder(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, &self.files)?;
        file.persist(folder.join(BROUGHT))?;
        Ok(())
    }

    /// Whether a file was seen with this content, and lies where it was put if it was.
    fn has(&self, full: &str, source: &Source, to: &Path) -> bool {
        let seen = self.files.get(full);
        seen.is_some_and(|seen| {
            let has_place = seen.get(1) == Some(&Value::Bool(true));
            seen.get(0) == Some(&json!(source.fingerprint)) && has_place == to.is_file()
        })
    }

    fn note(&mut self, full: String, source: &Source, has_place: bool) {
        self.files
            .insert(full, json!([source.fingerprint, has_place]));
        self.is_changed = true;
    }
}

/// `a.b` of `a/b.py`.
fn dotted(path: &str) -> String {
    let (folder, name) = path
        .rsplit_once('/')
        .map_or(("", path), |(folder, name)| (folder, name));
    let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{}.{name}", folder.replace('/', "."))
    }
}

/// The folder of one kind.
struct Place<'a> {
    folder: PathBuf,
    files: &'a dyn FileSource,
    changed: BTreeSet<String>,
    is_touched: bool,
}

impl Place<'_> {
    fn bring(
        &mut self,
        kind: &str,
        sources: &BTreeMap<String, Source>,
        brought: &mut Brought,
    ) -> Result<(), Failure> {
        for (path, source) in sources {
            let to = self.folder.join(path);
            let full = format!("_{kind}/{path}");
            if brought.has(&full, source, &to) {
                continue;
            }
            let from = self
                .files
                .fetch(&full, &source.saltenv)
                .map_err(Failure::Command)?;
            let is_program = is_program(&from).map_err(|error| Failure::io(&from, error))?;
            let has_place = is_program || is_python(path) || path.ends_with(".so");
            if has_place && !has_same_content(&from, &to) {
                put(&from, &to, is_program && !is_python(path))
                    .map_err(|error| Failure::io(&to, error))?;
                self.changed.insert(dotted(path));
                self.is_touched = true;
            }
            brought.note(full, source, has_place);
        }
        Ok(())
    }

    /// Removes what the roots have no longer.
    fn clean(&mut self, kind: &str, sources: &BTreeMap<String, Source>) -> Result<(), Failure> {
        let mut folders = Vec::new();
        for path in listed(&self.folder) {
            let place = self.folder.join(&path);
            if place.is_dir() {
                folders.push(place);
            } else if !sources.contains_key(&path) {
                tracing::info!("_{kind}/{path} is no longer in the roots");
                fs::remove_file(&place).map_err(|error| Failure::io(&place, error))?;
                self.is_touched = true;
            }
        }
        for folder in folders.iter().rev() {
            // One that is not empty stays.
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }
}

/// The files and folders below a folder, folders before what is in them, in order.
fn listed(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(prefix) = folders.pop() {
        for entry in fs::read_dir(folder.join(&prefix))
            .into_iter()
            .flatten()
            .flatten()
        {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = format!("{prefix}{name}");
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(format!("{path}/"));
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Whether the system can run a file: a script that names its interpreter, or a program.
fn is_program(path: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    fs::File::open(path)?.take(4).read_to_end(&mut head)?;
    Ok(head.starts_with(b"#!") || head.starts_with(b"\x7fELF"))
}

fn has_same_content(one: &Path, other: &Path) -> bool {
    let hash = |path| digest::of_file(Algorithm::Sha256, path, CHUNK).ok();
    hash(one).is_some_and(|one| hash(other) == Some(one))
}

/// Makes a folder that its user alone can read.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// Puts a copy into its place at once, for nobody else to read.
fn put(from: &Path, to: &Path, is_program: bool) -> std::io::Result<()> {
    let folder = to.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
    make_folder(folder)?;
    let mode = if is_program { 0o700 } else { 0o600 };
    // A child that holds the file open for writing keeps the system from running it.
    crate::process::without_forks(|| {
        let mut copy = tempfile::NamedTempFile::new_in(folder)?;
        std::io::copy(&mut fs::File::open(from)?, &mut copy)?;
        copy.as_file()
            .set_permissions(fs::Permissions::from_mode(mode))?;
        copy.persist(to)?;
        Ok(())
    })
}

/// Finds out anew what the modules offer that lie here.
pub(crate) fn describe_again(env: &Env) -> Result<(), Failure> {
    let folder = folder(env.ctx.cache_dir());
    if !are_on(&env.ctx.options()) || !folder.is_dir() {
        return Ok(());
    }
    let mut records = Vec::new();
    for kind in KINDS {
        let paths = listed(&folder.join(kind));
        let is_module = |path: &&String| match path.rsplit_once('/') {
            None => folder.join(kind).join(path).is_file(),
            Some((package, file)) => file == "__init__.py" && !package.contains('/'),
        };
        for path in paths.iter().filter(is_module) {
            records.push(json!({"kind": kind, "file": path, "names": [stem(path)]}));
        }
    }
    records.retain(|record| {
        let file = record
            .get("file")
            .and_then(Value::as_str)
            .unwrap_or_default();
        !file.ends_with(".so")
    });
    describe_python(env, &folder, &mut records);
    for record in &mut records {
        let file = record["file"].as_str().unwrap_or_default().to_owned();
        if !is_python(&file) {
            let kind = record["kind"].as_str().unwrap_or_default().to_owned();
            match describe_program(env, &folder, &kind, &file) {
                Ok(functions) => record["functions"] = functions,
                Err(error) => record["error"] = json!(error),
            }
        }
    }
    for record in &records {
        if let Some(error) = record.get("error").and_then(Value::as_str) {
            tracing::info!("{}/{}: {error}", record["kind"], record["file"]);
        }
    }
    if env.cancel.is_cancelled() {
        return Err(Failure::command("ended with the job"));
    }
    Catalog::write(&folder, &records).map_err(|error| Failure::io(&folder, error))?;
    env.registry.set_catalog(Catalog::of(&folder, &records));
    Ok(())
}

/// Asks the bridge of all Python modules at once; it asks them for their names, and looks at their functions.
fn describe_python(env: &Env, folder: &Path, records: &mut [Value]) {
    let file_of = |record: &Value| record["file"].as_str().unwrap_or_default().to_owned();
    if !records.iter().any(|record| is_python(&file_of(record))) {
        return;
    }
    let known = Catalog::of(folder, records);
    let [(_, files), _] = known.introduction();
    let request = Map::from_iter([
        ("describe".to_owned(), json!(true)),
        ("files".to_owned(), files),
        ("index".to_owned(), Value::Null),
    ]);
    let sight = Sight::of(env);
    let deadline = Some(Instant::now() + DESCRIBE_TIME_MAX);
    let described = Bridge::start(&sight.opts, Arc::new(known), env.cancel)
        .and_then(|mut bridge| bridge.ask(&sight, "custom modules", request, Some(env), deadline));
    let described = match described {
        Ok(Ok(Said {
            value: Value::Array(described),
            ..
        })) => Ok(described),
        Ok(Ok(_)) => Err("the bridge gave no list".to_owned()),
        Ok(Err(fault)) => Err(fault.into_text()),
        Err(failure) => Err(failure.to_string()),
    };
    for record in records
        .iter_mut()
        .filter(|record| is_python(&file_of(record)))
    {
        let stem = json!(stem(&file_of(record)));
        match &described {
            Err(error) => record["error"] = json!(error),
            Ok(described) => {
                let found = described
                    .iter()
                    .find(|found| found["kind"] == record["kind"] && found["file"] == stem);
                for key in ["names", "functions", "error"] {
                    if let Some(value) = found.and_then(|found| found.get(key)) {
                        record[key] = value.clone();
                    }
                }
            }
        }
    }
}

/// Asks a program what it offers.
fn describe_program(env: &Env, folder: &Path, kind: &str, file: &str) -> Result<Value, String> {
    let source = format!("_{kind}/{file}");
    let path = folder.join(kind).join(file);
    let request = Map::from_iter([("describe".to_owned(), json!(true))]);
    let deadline = Some(Instant::now() + DESCRIBE_TIME_MAX);
    let asked = call::start(&path.to_string_lossy(), &source, env.cancel)
        .and_then(|mut dialog| talk::converse(&mut dialog, &request, &source, Some(env), deadline));
    let said = asked
        .map_err(|failure| failure.to_string())?
        .map_err(Fault::into_text)?;
    let functions = said
        .value
        .get("functions")
        .filter(|functions| functions.is_object());
    functions.cloned().ok_or_else(|| {
        "asked to describe itself it has to return {\"functions\": {name: {\"args\": […], \"doc\": \"…\"}}}".to_owned()
    })
}
