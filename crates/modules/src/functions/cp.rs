//! `cp`: files of the hub.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::digest::{self, Algorithm};
use crate::edit::replace;
use crate::pattern::Selection;
use crate::source::{self, Source, Wish};
use crate::{python, rendering};

/// Largest file that a function hands back as text.
const TEXT_MAX: u64 = 64 << 20;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "cp.cache_dest",
        "url, saltenv=None",
        "Where the copy of a source would be in the minion's cache; a local path answers itself.",
        "cp.cache_dest https://foo.com/bar.rpm",
        |args, env| {
            let url = args.text("url")?;
            let place = source::cache_place(env.ctx, &url, saltenv(args)?.as_deref());
            let place = place
                .ok_or_else(|| Failure::invocation(format!("'{url}' has no place in the cache")))?;
            Ok(json!(place.to_string_lossy()))
        },
    ),
    Function::new(
        "cp.cache_dir",
        "path, saltenv=None, include_empty=False, include_pat=None, exclude_pat=None",
        "Fetch all files of the hub below a directory into the minion's cache and answer their local paths. include_pat, \
         exclude_pat: shell patterns of paths, or regular expressions behind E@. include_empty is accepted: the hub's \
         files have no empty directories.",
        "cp.cache_dir salt://path/to/dir include_pat='E@*.py$'",
        cache_dir,
    ),
    Function::new(
        "cp.cache_file",
        "path, saltenv=None, source_hash=None, verify_ssl=True, use_etag=False",
        "Fetch a file of the hub, or of http or https, into the minion's cache and answer its local path; false when the \
         hub has no such file. A local path answers itself. source_hash: a copy from the web that has this hash is not \
         fetched again. use_etag: fetch it again anyway. verify_ssl=False: take any certificate.",
        "cp.cache_file salt://path/to/file saltenv=base",
        |args, env| {
            let hash = args.optional_text("source_hash")?;
            let digits = hash.as_deref().and_then(|hash| hash.rsplit('=').next());
            let wish = Wish {
                hash: digits.filter(|_| !args.flag("use_etag")),
                accepts_any_certificate: !args.flag("verify_ssl"),
                cancel: Some(env.cancel),
            };
            cache(env, &args.text("path")?, saltenv(args)?.as_deref(), wish)
        },
    ),
    Function::new(
        "cp.cache_files",
        "paths, saltenv=None",
        "Fetch several files, a list or names with commas, and answer their local paths.",
        "cp.cache_files salt://file1,salt://file2",
        |args, env| {
            let saltenv = saltenv(args)?;
            args.texts("paths")
                .iter()
                .map(|path| cache(env, path, saltenv.as_deref(), plain(env)))
                .collect()
        },
    ),
    Function::new(
        "cp.cache_local_file",
        "path",
        "Copy a file of this host into the minion's cache and answer the path of the copy; empty when there is no such \
         file.",
        "cp.cache_local_file /etc/hosts",
        |args, env| {
            let path = args.text("path")?;
            if !Path::new(&path).is_file() {
                return Ok(json!(""));
            }
            let copy = source::local_copy(env.ctx.cache_dir(), &path);
            copy_file(Path::new(&path), &copy, true)?;
            Ok(json!(copy.to_string_lossy()))
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
        "path, dest, saltenv=None, template=None, gzip=None",
        "Fetch a directory of the hub with all below it into a directory of this host, as cp does: the last part of the \
         path is made in dest. template: path and dest are templates of this engine. gzip is accepted: transfers choose \
         their compression themselves. Answers the files that were written.",
        "cp.get_dir salt://path/to/dir /srv/dest",
        get_dir,
    ),
    Function::new(
        "cp.get_file",
        "path, dest, saltenv=None, makedirs=False, template=None, gzip=None",
        "Fetch a file of the hub to a path of this host and answer that path; empty when there is no such file. When \
         dest ends in / or is a directory the file keeps its name. makedirs: make missing directories. template: path \
         and dest are templates of this engine. gzip is accepted: transfers choose their compression themselves.",
        "cp.get_file salt://path/to/file /dest makedirs=True",
        |args, env| {
            let (path, dest) = (rendered(args, "path", env)?, rendered(args, "dest", env)?);
            get_file(args, env, &path, dest)
        },
    ),
    Function::new(
        "cp.get_file_str",
        "path, saltenv=None",
        "The content of a file of the hub as text; false when there is no such file.",
        "cp.get_file_str salt://my/file",
        get_file_str,
    ),
    Function::new(
        "cp.get_template",
        "path, dest, template='jinja', saltenv=None, makedirs=False, **kwargs",
        "Fetch a template and write what it makes to a path of this host, or into the minion's cache when dest is empty; \
         answer the path, which is empty when there is no such template. More keywords, and those of context, are names \
         that the template sees.",
        "cp.get_template salt://path/to/template /minion/dest",
        get_template,
    ),
    Function::new(
        "cp.get_url",
        "path, dest='', saltenv=None, makedirs=False, source_hash=None",
        "Fetch salt://, http, https or file:// to a path of this host, or into the cache without dest, and answer the path. \
         dest=None answers the content. source_hash: the hexadecimal hash that the content must have. Other protocols are \
         not served.",
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
        "cp.is_cached",
        "path, saltenv=None",
        "The local path of the copy of a source in the minion's cache; empty when there is none.",
        "cp.is_cached salt://path/to/file",
        |args, env| {
            let copy = source::cached(env.ctx, &args.text("path")?, saltenv(args)?.as_deref());
            Ok(json!(copy.unwrap_or_default().to_string_lossy()))
        },
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

/// Fetches a source. What the hub lacks is false; what the web lacks is a failure, as in Salt.
fn cache(env: &Env, path: &str, saltenv: Option<&str>, wish: Wish<'_>) -> Answer {
    match source::fetch_as(env.ctx, path, saltenv, wish) {
        Ok(local) => Ok(json!(local.to_string_lossy())),
        Err(failure) if matches!(source::scheme(path), "http" | "https") => Err(failure),
        Err(failure) => {
            tracing::warn!(path, "a file was not fetched: {failure}");
            Ok(json!(false))
        }
    }
}

/// A fetch without special wishes.
fn plain<'a>(env: &'a Env) -> Wish<'a> {
    Wish {
        cancel: Some(env.cancel),
        ..Wish::default()
    }
}

/// A parameter that `template` may make a template of.
fn rendered(args: &Args, name: &str, env: &Env) -> Result<String, Failure> {
    let text = args.text(name)?;
    match args
        .optional_text("template")?
        .filter(|engine| !engine.is_empty())
    {
        Some(engine) => rendering::text(env, &text, &engine),
        None => Ok(text),
    }
}

fn cache_dir(args: &Args, env: &Env) -> Answer {
    let Source::Hub {
        path,
        env: in_source,
    } = Source::parse(&args.text("path")?)?
    else {
        return Err(Failure::invocation("cp.cache_dir fetches salt:// only"));
    };
    let env_name = source::environment(env.ctx, in_source, saltenv(args)?.as_deref());
    let selection = Selection::new(args.value("include_pat"), args.value("exclude_pat"))?;
    let prefix = match path.trim_end_matches('/') {
        "" => String::new(),
        path => format!("{path}/"),
    };
    let files = env.ctx.files();
    let mut cached = Vec::new();
    for file in files.list(&env_name, &prefix).map_err(Failure::Command)? {
        if env.cancel.is_cancelled() {
            return Err(Failure::command("the job was cancelled"));
        }
        if selection.takes(&file) {
            let local = files.fetch(&file, &env_name).map_err(Failure::Command)?;
            cached.push(json!(local.to_string_lossy()));
        }
    }
    Ok(Value::Array(cached))
}

fn get_template(args: &Args, env: &Env) -> Answer {
    let path = args.text("path")?;
    let saltenv = saltenv(args)?;
    let Value::String(local) = cache(env, &path, saltenv.as_deref(), plain(env))? else {
        return Ok(json!(""));
    };
    let (below, env_name) = match Source::parse(&path)? {
        Source::Hub { path, env: named } => (
            path,
            source::environment(env.ctx, named, saltenv.as_deref()),
        ),
        _ => (
            local.clone(),
            source::environment(env.ctx, None, saltenv.as_deref()),
        ),
    };
    let mut context = args.extra_kwargs.clone();
    if let Some(Value::Object(names)) = context.remove("context") {
        context.extend(names);
    }
    let text = fs::read(&local).map_err(|error| Failure::io(&local, error))?;
    let template = sls::render::Source {
        saltenv: &env_name,
        path: &below,
        text: &text,
        context,
        ..Default::default()
    };
    let made = rendering::template(env, &template, &args.text("template")?)?;
    let dest = args.text("dest")?;
    let (dest, makedirs) = match dest.as_str() {
        "" => {
            let place = env.ctx.cache_dir().join("extrn_files").join(&env_name);
            (place.join(below.trim_start_matches('/')), true)
        }
        dest => (dest.into(), args.flag("makedirs")),
    };
    if !make_home(&dest, makedirs)? {
        return Ok(json!(""));
    }
    replace::replace(&dest, made.as_bytes(), replace::PUBLIC_MODE)
        .map_err(|error| Failure::io(&dest, error))?;
    Ok(json!(dest.to_string_lossy()))
}

fn list(args: &Args, env: &Env) -> Result<Vec<String>, Failure> {
    let env_name = source::environment(env.ctx, None, saltenv(args)?.as_deref());
    let prefix = args.text("prefix")?;
    env.ctx
        .files()
        .list(&env_name, prefix.trim_start_matches('/'))
        .map_err(Failure::Command)
}

fn get_file(args: &Args, env: &Env, source: &str, mut dest: String) -> Answer {
    let Value::String(local) = cache(env, source, saltenv(args)?.as_deref(), plain(env))? else {
        return Ok(json!(""));
    };
    if dest.ends_with('/') || Path::new(&dest).is_dir() {
        let path = source::path_of(source);
        let name = path.rsplit('/').next().unwrap_or_default();
        let name = if name.is_empty() { "index.html" } else { name };
        dest = format!("{}/{name}", dest.trim_end_matches('/'));
    }
    let is_written = copy_file(Path::new(&local), Path::new(&dest), args.flag("makedirs"))?;
    Ok(json!(if is_written { dest } else { String::new() }))
}

/// Copies a fetched file; false when the directory is missing and shall not be made, which Salt does not call an error.
fn copy_file(from: &Path, to: &Path, makedirs: bool) -> Result<bool, Failure> {
    if !make_home(to, makedirs)? {
        return Ok(false);
    }
    fs::copy(from, to).map_err(|error| Failure::io(to, error))?;
    Ok(true)
}

/// Makes the directory of a path where that is wished; whether it is there.
fn make_home(path: &Path, makedirs: bool) -> Result<bool, Failure> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    if !path.is_absolute() {
        return Err(Failure::invocation(format!(
            "dest must be an absolute path, not '{}'",
            path.display()
        )));
    }
    if !parent.is_dir() && makedirs {
        fs::create_dir_all(parent).map_err(|error| Failure::io(parent, error))?;
    }
    Ok(parent.is_dir())
}

fn get_file_str(args: &Args, env: &Env) -> Answer {
    let path = args.text("path")?;
    match cache(env, &path, saltenv(args)?.as_deref(), plain(env))? {
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
    let wanted = match args.optional_text("source_hash")? {
        Some(wanted) => {
            let digits = wanted.rsplit(['=', ':']).next().unwrap_or_default();
            let digits = digits.to_lowercase();
            let (_, algorithm) = Algorithm::by_length(digits.len()).ok_or_else(|| {
                Failure::invocation(format!("'{wanted}' is no hash of a known length"))
            })?;
            Some((algorithm, digits))
        }
        None => None,
    };
    let wish = Wish {
        hash: wanted.as_ref().map(|(_, digits)| digits.as_str()),
        ..plain(env)
    };
    let Value::String(local) = cache(env, &path, saltenv(args)?.as_deref(), wish)? else {
        return Ok(json!(false));
    };
    if let Some((algorithm, digits)) = wanted {
        let found = digest::of_file(algorithm, Path::new(&local), 1 << 18)?;
        if found != digits {
            return Err(Failure::command(format!(
                "'{path}' has the hash {found}, not {digits}"
            )));
        }
    }
    match args.value("dest") {
        Value::Null => text_of(Path::new(&local)),
        dest if python::truthy(dest) => get_file(args, env, &path, args.text("dest")?),
        _ => Ok(json!(local)),
    }
}

fn get_dir(args: &Args, env: &Env) -> Answer {
    let Source::Hub {
        path,
        env: in_source,
    } = Source::parse(&rendered(args, "path", env)?)?
    else {
        return Err(Failure::invocation("cp.get_dir fetches salt:// only"));
    };
    let env_name = source::environment(env.ctx, in_source, saltenv(args)?.as_deref());
    let path = path.trim_end_matches('/');
    let dest = rendered(args, "dest", env)?;
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
        copy_file(&local, Path::new(&target), true)?;
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
    fn templates_and_copies_are_made() {
        let host = Host::new();
        host.write("roots/base/t/x.jinja", "{{ a }} {{ grains.os }}\n");
        host.write("roots/base/t/y.txt", "y");
        let dest = host.path("out");
        let call = Call::new("cp.get_template")
            .arg("salt://t/x.jinja")
            .arg(dest.as_str())
            .kwarg("a", 1);
        assert_eq!(host.call(call).value, json!(dest));
        assert_eq!(fs::read_to_string(&dest).unwrap(), "1 Debian\n");
        let call = Call::new("cp.get_template").arg("salt://t/x.jinja").arg("");
        let place = host.path("cache/extrn_files/base/t/x.jinja");
        assert!(!host.call(call).success, "a name is not defined");
        let call = Call::new("cp.get_template")
            .arg("salt://t/x.jinja")
            .arg("")
            .kwarg("context", json!({"a": 2}));
        assert_eq!(host.call(call).value, json!(place));
        let call = Call::new("cp.cache_dir")
            .arg("salt://t")
            .kwarg("exclude_pat", "*.jinja");
        assert_eq!(
            host.call(call).value,
            json!([host.path("roots/base/t/y.txt")])
        );
        let copy = host
            .call(Call::new("cp.cache_local_file").arg(dest.as_str()))
            .value;
        assert_eq!(
            host.call(Call::new("cp.is_cached").arg(dest.as_str()))
                .value,
            copy
        );
        assert_eq!(
            host.call(Call::new("cp.is_cached").arg("salt://none"))
                .value,
            json!("")
        );
        let place = Call::new("cp.cache_dest").arg("https://u:p@h:1/a?b");
        assert_eq!(
            host.call(place).value,
            json!(host.path("cache/extrn_files/base/h1/a-b"))
        );
        let templated = Call::new("cp.get_file")
            .arg("salt://t/{{ 'y' }}.txt")
            .arg(format!("{dest}{{{{ 1 }}}}"))
            .kwarg("template", "jinja");
        assert_eq!(host.call(templated).value, json!(format!("{dest}1")));
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
