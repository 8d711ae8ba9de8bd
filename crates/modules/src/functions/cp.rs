//! `cp`: files of the hub.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::digest::{self, Algorithm};
use crate::python;
use crate::source::{self, Source};

/// Largest file that a function hands back as text.
const TEXT_MAX: u64 = 64 << 20;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "cp.cache_file",
        "path, saltenv=None",
        "Fetch a file of the hub into the minion's cache and answer its local path; false when there is no such file. A \
         local path answers itself.",
        "cp.cache_file salt://path/to/file saltenv=base",
        |args, env| Ok(cache(env, &args.text("path")?, saltenv(args)?.as_deref())),
    ),
    Function::new(
        "cp.cache_files",
        "paths, saltenv=None",
        "Fetch several files, a list or names with commas, and answer their local paths.",
        "cp.cache_files salt://file1,salt://file2",
        |args, env| {
            let saltenv = saltenv(args)?;
            Ok(args
                .texts("paths")
                .iter()
                .map(|path| cache(env, path, saltenv.as_deref()))
                .collect())
        },
    ),
    Function::new(
        "cp.envs",
        "",
        "The environments of the hub's files.",
        "cp.envs",
        |_, env| {
            env.ctx
                .files()
                .envs()
                .map(|envs| json!(envs))
                .map_err(Failure::Command)
        },
    ),
    Function::new(
        "cp.get_dir",
        "path, dest, saltenv=None",
        "Fetch a directory of the hub with all below it into a directory of this host, as cp does: the last part of the \
         path is made in dest. Answers the files that were written.",
        "cp.get_dir salt://path/to/dir /srv/dest",
        get_dir,
    ),
    Function::new(
        "cp.get_file",
        "path, dest, saltenv=None, makedirs=False, gzip=None",
        "Fetch a file of the hub to a path of this host and answer that path; empty when there is no such file. When \
         dest ends in / or is a directory the file keeps its name. makedirs: make missing directories. gzip is accepted: \
         transfers choose their compression themselves.",
        "cp.get_file salt://path/to/file /dest makedirs=True",
        |args, env| get_file(args, env, "path"),
    ),
    Function::new(
        "cp.get_file_str",
        "path, saltenv=None",
        "The content of a file of the hub as text; false when there is no such file.",
        "cp.get_file_str salt://my/file",
        get_file_str,
    ),
    Function::new(
        "cp.get_url",
        "path, dest='', saltenv=None, makedirs=False, source_hash=None",
        "Fetch salt:// or file:// to a path of this host, or into the cache without dest, and answer the path. dest=None \
         answers the content. source_hash: the hexadecimal hash that the content must have. Other protocols are not \
         served.",
        "cp.get_url salt://my/file /tmp/mine",
        get_url,
    ),
    Function::new(
        "cp.hash_file",
        "path, saltenv=None",
        "The hash of a file of the hub (or of this host) and its algorithm; empty when there is no such file.",
        "cp.hash_file salt://path/to/file",
        hash_file,
    ),
    Function::new(
        "cp.list_master",
        "saltenv=None, prefix=''",
        "All files of the hub in an environment, those below prefix only when it is given.",
        "cp.list_master saltenv=prod",
        |args, env| Ok(json!(list(args, env)?)),
    ),
    Function::new(
        "cp.list_master_dirs",
        "saltenv=None, prefix=''",
        "All directories of the hub's files in an environment.",
        "cp.list_master_dirs",
        |args, env| {
            let files = list(args, env)?;
            let parents = files
                .iter()
                .flat_map(|file| Path::new(file).ancestors().skip(1));
            let dirs: BTreeSet<String> = parents
                .map(|dir| dir.to_string_lossy().into_owned())
                .collect();
            Ok(dirs
                .iter()
                .map(|dir| json!(if dir.is_empty() { "." } else { dir }))
                .collect())
        },
    ),
    Function::new(
        "cp.list_states",
        "saltenv=None",
        "The names of all SLS files in an environment.",
        "cp.list_states",
        |args, env| {
            let env_name = source::environment(env.ctx, None, saltenv(args)?.as_deref());
            let files = env
                .ctx
                .files()
                .list(&env_name, "")
                .map_err(Failure::Command)?;
            let names = files.iter().filter_map(|file| file.strip_suffix(".sls"));
            let names =
                names.map(|name| name.strip_suffix("/init").unwrap_or(name).replace('/', "."));
            Ok(json!(names.collect::<BTreeSet<_>>()))
        },
    ),
];

fn saltenv(args: &Args) -> Result<Option<String>, Failure> {
    Ok(args.optional_text("saltenv")?.filter(|env| !env.is_empty()))
}

fn cache(env: &Env, path: &str, saltenv: Option<&str>) -> Value {
    match source::fetch(env.ctx, path, saltenv) {
        Ok(local) => json!(local.to_string_lossy()),
        Err(failure) => {
            tracing::warn!(path, "a file was not fetched: {failure}");
            json!(false)
        }
    }
}

fn list(args: &Args, env: &Env) -> Result<Vec<String>, Failure> {
    let env_name = source::environment(env.ctx, None, saltenv(args)?.as_deref());
    let prefix = args.text("prefix")?;
    env.ctx
        .files()
        .list(&env_name, prefix.trim_start_matches('/'))
        .map_err(Failure::Command)
}

fn get_file(args: &Args, env: &Env, source: &str) -> Answer {
    let source = args.text(source)?;
    let Value::String(local) = cache(env, &source, saltenv(args)?.as_deref()) else {
        return Ok(json!(""));
    };
    let mut dest = args.text("dest")?;
    if dest.ends_with('/') || Path::new(&dest).is_dir() {
        let source = source.split("?saltenv=").next().unwrap_or(&source);
        let name = source.rsplit('/').next().unwrap_or_default();
        dest = format!("{}/{name}", dest.trim_end_matches('/'));
    }
    let is_written = copy(Path::new(&local), Path::new(&dest), args.flag("makedirs"))?;
    Ok(json!(if is_written { dest } else { String::new() }))
}

/// Copies a fetched file; false when the directory is missing and shall not be made, which Salt does not call an error.
fn copy(from: &Path, to: &Path, makedirs: bool) -> Result<bool, Failure> {
    let parent = to.parent().unwrap_or(Path::new("/"));
    if !to.is_absolute() {
        return Err(Failure::invocation(format!(
            "dest must be an absolute path, not '{}'",
            to.display()
        )));
    }
    if !parent.is_dir() {
        if !makedirs {
            return Ok(false);
        }
        fs::create_dir_all(parent).map_err(|error| Failure::io(parent, error))?;
    }
    fs::copy(from, to).map_err(|error| Failure::io(to, error))?;
    Ok(true)
}

fn get_file_str(args: &Args, env: &Env) -> Answer {
    match cache(env, &args.text("path")?, saltenv(args)?.as_deref()) {
        Value::String(local) => text_of(Path::new(&local)),
        missing => Ok(missing),
    }
}

fn text_of(path: &Path) -> Answer {
    let size = fs::metadata(path)
        .map_err(|error| Failure::io(path, error))?
        .len();
    if size > TEXT_MAX {
        return Err(Failure::command(format!(
            "'{}' has {size} bytes, at most {TEXT_MAX} are read",
            path.display()
        )));
    }
    let bytes = fs::read(path).map_err(|error| Failure::io(path, error))?;
    Ok(json!(String::from_utf8_lossy(&bytes)))
}

fn get_url(args: &Args, env: &Env) -> Answer {
    let path = args.text("path")?;
    Source::parse(&path)?;
    let Value::String(local) = cache(env, &path, saltenv(args)?.as_deref()) else {
        return Ok(json!(false));
    };
    if let Some(wanted) = args.optional_text("source_hash")? {
        let digits = wanted
            .rsplit(['=', ':'])
            .next()
            .unwrap_or_default()
            .to_lowercase();
        let (_, algorithm) = Algorithm::by_length(digits.len()).ok_or_else(|| {
            Failure::invocation(format!("'{wanted}' is no hash of a known length"))
        })?;
        let found = digest::of_file(algorithm, Path::new(&local), 1 << 18)?;
        if found != digits {
            return Err(Failure::command(format!(
                "'{path}' has the hash {found}, not {digits}"
            )));
        }
    }
    match args.value("dest") {
        Value::Null => text_of(Path::new(&local)),
        dest if python::truthy(dest) => get_file(args, env, "path"),
        _ => Ok(json!(local)),
    }
}

fn get_dir(args: &Args, env: &Env) -> Answer {
    let Source::Hub {
        path,
        env: in_source,
    } = Source::parse(&args.text("path")?)?
    else {
        return Err(Failure::invocation("cp.get_dir fetches salt:// only"));
    };
    let env_name = source::environment(env.ctx, in_source, saltenv(args)?.as_deref());
    let path = path.trim_end_matches('/');
    let dest = args.text("dest")?;
    let prefix = if path.is_empty() {
        String::new()
    } else {
        format!("{path}/")
    };
    let kept = path
        .rsplit_once('/')
        .map_or(0, |(parents, _)| parents.len() + 1);
    let mut written = Vec::new();
    for file in env
        .ctx
        .files()
        .list(&env_name, &prefix)
        .map_err(Failure::Command)?
    {
        let target = format!(
            "{}/{}",
            dest.trim_end_matches('/'),
            file.get(kept..).unwrap_or(&file)
        );
        let local = env
            .ctx
            .files()
            .fetch(&file, &env_name)
            .map_err(Failure::Command)?;
        copy(&local, Path::new(&target), true)?;
        written.push(json!(target));
        if env.cancel.is_cancelled() {
            return Err(Failure::command("the job was cancelled"));
        }
    }
    Ok(Value::Array(written))
}

fn hash_file(args: &Args, env: &Env) -> Answer {
    let found = match Source::parse(&args.text("path")?)? {
        Source::Local(path) if path.is_file() => Some((
            "sha256".to_owned(),
            digest::of_file(Algorithm::Sha256, &path, 1 << 18)?,
        )),
        Source::Local(_) | Source::Web(_) => None,
        Source::Hub {
            path,
            env: in_source,
        } => {
            let env_name = source::environment(env.ctx, in_source, saltenv(args)?.as_deref());
            let hash = env
                .ctx
                .files()
                .hash(&path, &env_name)
                .map_err(Failure::Command)?;
            hash.map(|hash| (hash.hash_type, hash.hsum))
        }
    };
    Ok(found.map_or_else(
        || json!({}),
        |(hash_type, hsum)| json!({"hsum": hsum, "hash_type": hash_type}),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn files_are_fetched() {
        let host = Host::new();
        let cached = host.write("roots/base/a/one.txt", "one\n");
        host.write("roots/base/a/b/two.txt", "two\n");
        host.write("roots/base/web/init.sls", "");
        host.write("roots/dev/three.txt", "three\n");
        let dest = host.path("dest");
        let check = |call: Call, expected: Value| {
            assert_eq!(host.call(call.clone()).value, expected, "{call:?}")
        };
        check(
            Call::new("cp.cache_file").arg("salt://a/one.txt"),
            json!(cached),
        );
        check(Call::new("cp.cache_file").arg("salt://none"), json!(false));
        check(
            Call::new("cp.cache_files").arg("salt://a/one.txt,salt://none"),
            json!([cached, false]),
        );
        check(
            Call::new("cp.get_file_str").arg("salt://three.txt?saltenv=dev"),
            json!("three\n"),
        );
        check(
            Call::new("cp.get_file_str").arg("salt://three.txt"),
            json!(false),
        );
        let get = |path: &str, dest: &str| Call::new("cp.get_file").arg(path).arg(dest);
        check(get("salt://a/one.txt", &format!("{dest}/x")), json!(""));
        check(
            get("salt://a/one.txt", &format!("{dest}/x")).kwarg("makedirs", true),
            json!(format!("{dest}/x")),
        );
        check(
            get("salt://three.txt?saltenv=dev", &dest),
            json!(format!("{dest}/three.txt")),
        );
        check(get("salt://none", &dest), json!(""));
        assert_eq!(fs::read_to_string(format!("{dest}/x")).unwrap(), "one\n");
        let files = json!([format!("{dest}/a/b/two.txt"), format!("{dest}/a/one.txt")]);
        check(
            Call::new("cp.get_dir").arg("salt://a").arg(dest.as_str()),
            files,
        );
        check(
            Call::new("cp.list_master"),
            json!(["a/b/two.txt", "a/one.txt", "web/init.sls"]),
        );
        check(
            Call::new("cp.list_master").kwarg("prefix", "a/b"),
            json!(["a/b/two.txt"]),
        );
        check(
            Call::new("cp.list_master_dirs"),
            json!([".", "a", "a/b", "web"]),
        );
        check(Call::new("cp.list_states"), json!(["web"]));
        check(Call::new("cp.envs"), json!(["base"]));
    }

    #[test]
    fn hashes_are_checked() {
        let host = Host::new();
        let cached = host.write("roots/base/f", "abc");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let url = |hash: &str| {
            Call::new("cp.get_url")
                .arg("salt://f")
                .kwarg("source_hash", hash)
        };
        assert_eq!(host.call(url(sha256)).value, json!(cached));
        assert_eq!(
            host.call(url("md5=900150983cd24fb0d6963f7d28e17f72").kwarg("dest", Value::Null))
                .value,
            json!("abc")
        );
        assert!(!host.call(url("00150983cd24fb0d6963f7d28e17f729")).success);
        assert!(
            !host
                .call(Call::new("cp.get_url").arg("ftp://example.com/x"))
                .success
        );
        let expected = json!({"hsum": sha256, "hash_type": "sha256"});
        assert_eq!(
            host.call(Call::new("cp.hash_file").arg("salt://f")).value,
            expected
        );
        assert_eq!(
            host.call(Call::new("cp.hash_file").arg(cached)).value,
            expected
        );
        assert_eq!(
            host.call(Call::new("cp.hash_file").arg("salt://none"))
                .value,
            json!({})
        );
    }
}
