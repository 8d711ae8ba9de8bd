//! `cp`: files of the hub.

mod get;
mod recv;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::digest::{self, Algorithm};
use crate::pattern::Selection;
use crate::rendering;
use crate::source::{self, Source, Wish};

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
            get::copy_file(Path::new(&path), &copy, true)?;
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
        get::get_dir,
    ),
    Function::new(
        "cp.get_file",
        "path, dest, saltenv=None, makedirs=False, template=None, gzip=None",
        "Fetch a file of the hub to a path of this host and answer that path; empty when there is no such file. When \
         dest ends in / or is a directory the file keeps its name. makedirs: make missing directories. template: path \
         and dest are templates of this engine. gzip is accepted: transfers choose their compression themselves.",
        "cp.get_file salt://path/to/file /dest makedirs=True",
        |args, env| {
            let (path, dest) = (
                rendering::argument(args, "path", env)?,
                rendering::argument(args, "dest", env)?,
            );
            get::get_file(args, env, &path, dest)
        },
    ),
    Function::new(
        "cp.get_file_str",
        "path, saltenv=None",
        "The content of a file of the hub as text; false when there is no such file.",
        "cp.get_file_str salt://my/file",
        get::get_file_str,
    ),
    Function::new(
        "cp.get_template",
        "path, dest, template='jinja', saltenv=None, makedirs=False, **kwargs",
        "Fetch a template and write what it makes to a path of this host, or into the minion's cache when dest is empty; \
         answer the path, which is empty when there is no such template. More keywords, and those of context, are names \
         that the template sees.",
        "cp.get_template salt://path/to/template /minion/dest",
        get::get_template,
    ),
    Function::new(
        "cp.get_url",
        "path, dest='', saltenv=None, makedirs=False, source_hash=None",
        "Fetch salt://, http, https or file:// to a path of this host, or into the cache without dest, and answer the path. \
         dest=None answers the content. source_hash: the hexadecimal hash that the content must have. Other protocols are \
         not served.",
        "cp.get_url salt://my/file /tmp/mine",
        get::get_url,
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
    Function::new(
        "cp.recv",
        "files, dest, encoding=None, offset=0, is_last=True, mode=None, below=None",
        "Write what `salt-cp` sends: contents by name, into a folder or to a path. Pieces of a file follow each other by their \
         offset, and it takes its place with the last one.",
        "cp.recv '{motd: hello}' /etc/motd",
        recv::recv,
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

fn list(args: &Args, env: &Env) -> Result<Vec<String>, Failure> {
    let env_name = source::environment(env.ctx, None, saltenv(args)?.as_deref());
    let prefix = args.text("prefix")?;
    env.ctx
        .files()
        .list(&env_name, prefix.trim_start_matches('/'))
        .map_err(Failure::Command)
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
mod tests;
