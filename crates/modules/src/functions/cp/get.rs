//! Getting files: to a path of this host, as text, through a template.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, cache, plain, saltenv};
use crate::digest::{self, Algorithm};
use crate::edit::replace;
use crate::source::{self, Source, Wish};
use crate::{python, rendering};

/// Largest file that a function hands back as text.
const TEXT_MAX: u64 = 64 << 20;

pub(super) fn get_template(args: &Args, env: &Env) -> Answer {
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

pub(super) fn get_file(args: &Args, env: &Env, source: &str, mut dest: String) -> Answer {
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
pub(super) fn copy_file(from: &Path, to: &Path, makedirs: bool) -> Result<bool, Failure> {
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

pub(super) fn get_file_str(args: &Args, env: &Env) -> Answer {
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

pub(super) fn get_url(args: &Args, env: &Env) -> Answer {
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

pub(super) fn get_dir(args: &Args, env: &Env) -> Answer {
    let Source::Hub {
        path,
        env: in_source,
    } = Source::parse(&rendering::argument(args, "path", env)?)?
    else {
        return Err(Failure::invocation("cp.get_dir fetches salt:// only"));
    };
    let env_name = source::environment(env.ctx, in_source, saltenv(args)?.as_deref());
    let path = path.trim_end_matches('/');
    let dest = rendering::argument(args, "dest", env)?;
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
