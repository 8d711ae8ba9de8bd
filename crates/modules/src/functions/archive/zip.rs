//! `archive.zip` and its kin: the zip and unzip programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::{
    Answer, Args, Env, Failure, Function, run, run_lines, sources, trimmed, words, zip_directory,
};
use crate::failure::python_text;
use crate::files::mode;
use crate::{python, rendering, source};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "archive.cmd_unzip",
        "zip_file, dest, excludes=None, options=None, template=None, runas=None, trim_output=False, password=None",
        "Unpack a zip archive by the unzip program with options of it. excludes: members to leave out, a list or names \
         with commas. Answers what it prints.",
        "archive.cmd_unzip /tmp/zipfile.zip /home/strongbad/ excludes=file_1,file_2",
        cmd_unzip,
    ),
    Function::new(
        "archive.cmd_zip",
        "zip_file, sources, template=None, cwd=None, runas=None",
        "Pack files by the zip program. sources: a list or names with commas, patterns allowed. Answers what it prints.",
        "archive.cmd_zip /tmp/zipfile.zip /tmp/sourcefile1,/tmp/sourcefile2",
        |args, env| {
            let mut argv: Vec<String> = ["zip", "-r"].map(str::to_owned).to_vec();
            argv.push(args.text("zip_file")?);
            argv.extend(sources(args)?);
            run_lines(argv, args, env)
        },
    ),
    Function::new(
        "archive.is_encrypted",
        "name, clean=False, saltenv='base', source_hash=None, use_etag=False",
        "Whether a zip archive needs a password. name: a path, or a URL that is fetched. clean: remove the fetched copy. \
         use_etag is accepted: what is not of this hash is fetched anew.",
        "archive.is_encrypted /path/to/myfile.zip",
        is_encrypted,
    ),
    Function::new(
        "archive.unzip",
        "zip_file, dest, excludes=None, options=None, template=None, runas=None, trim_output=False, password=None, \
         extract_perms=True",
        "Unpack a zip archive into a directory, replacing what is there. excludes: members to leave out, a list or names \
         with commas. extract_perms: modes as in the archive, or else the usual ones. options is accepted, as by Salt. \
         Answers the members.",
        "archive.unzip /tmp/zipfile.zip /home/strongbad/ password='BadPassword'",
        unzip,
    ),
    Function::new(
        "archive.zip",
        "zip_file, sources, template=None, cwd=None, runas=None, zip64=False",
        "Pack files into a new zip archive. sources: a list or names with commas, patterns allowed; they are absolute, or \
         below cwd. zip64 is accepted: large archives are made when they are needed. Answers the members.",
        "archive.zip /tmp/zipfile.zip /tmp/sourcefile1,/tmp/sourcefile2",
        zip,
    ),
];

fn cmd_unzip(args: &Args, env: &Env) -> Answer {
    let mut argv = vec!["unzip".to_owned()];
    if let Some(password) = password(args)? {
        argv.extend(["-P".to_owned(), password]);
    }
    if let Some(options) = args.optional_text("options")? {
        argv.extend(
            shlex::split(&options)
                .ok_or_else(|| Failure::invocation("'options' has a quote that is not closed"))?,
        );
    }
    argv.extend([args.text("zip_file")?, "-d".to_owned(), args.text("dest")?]);
    let excludes = words(args.value("excludes"));
    if !excludes.is_empty() {
        argv.push("-x".to_owned());
        argv.extend(excludes);
    }
    let ended = run("cmd.run_all", argv, args, env)?;
    let output = format!(
        "{}{}",
        python::text(&ended["stdout"]),
        python::text(&ended["stderr"])
    );
    if ended["retcode"] != json!(0) {
        return Err(Failure::command(output));
    }
    let lines = output.lines().map(str::to_owned).collect();
    Ok(trimmed(lines, args.value("trim_output")))
}

fn password(args: &Args) -> Result<Option<String>, Failure> {
    Ok(args
        .optional_text("password")?
        .filter(|password| !password.is_empty()))
}

fn is_encrypted(args: &Args, env: &Env) -> Answer {
    let name = args.text("name")?;
    let saltenv = args.text("saltenv")?;
    let local = source::fetch(env.ctx, &name, Some(&saltenv))
        .map_err(|failure| Failure::command(format!("Failed to cache {name}: {failure}")))?;
    let entries = zip_directory::read(&local)
        .map_err(|error| Failure::command(python_text(&local, &error)))?
        .ok_or_else(|| Failure::command(format!("{name} is not a ZIP file")))?;
    if args.flag("clean") && !matches!(source::scheme(&name), "" | "file") {
        fs::remove_file(&local).map_err(|error| Failure::io(&local, error))?;
    }
    Ok(json!(entries.iter().any(|entry| entry.is_encrypted)))
}

fn unzip(args: &Args, env: &Env) -> Answer {
    let broken =
        |text: String| Failure::command(format!("Exception encountered unpacking zipfile: {text}"));
    let file = rendering::argument(args, "zip_file", env)?;
    let dest = rendering::argument(args, "dest", env)?;
    let path = Path::new(&file);
    let entries = zip_directory::read(path)
        .map_err(|error| broken(python_text(path, &error)))?
        .ok_or_else(|| broken("File is not a zip file".to_owned()))?;
    let excludes = words(args.value("excludes"));
    let names: Vec<String> = entries
        .into_iter()
        .map(|entry| entry.name)
        .filter(|name| !excludes.contains(name))
        .collect();
    let mut argv: Vec<String> = ["unzip", "-o", "-q"].map(str::to_owned).to_vec();
    if let Some(password) = password(args)? {
        argv.extend(["-P".to_owned(), password]);
    }
    argv.extend([file.clone(), "-d".to_owned(), dest.clone()]);
    if !excludes.is_empty() {
        argv.push("-x".to_owned());
        argv.extend(excludes);
    }
    let mut call = crate::call::Call::new("cmd.run_all")
        .arg(serde_json::Value::from(argv))
        .kwarg("python_shell", false);
    if crate::process::which("unzip").is_none() {
        return Err(Failure::MissingProgram("unzip".to_owned()));
    }
    if !args.value("runas").is_null() {
        call = call.kwarg("runas", args.value("runas").clone());
    }
    let ended = env.call(&call)?.value;
    if ended["retcode"] != json!(0) {
        let text = format!(
            "{} {}",
            python::text(&ended["stdout"]),
            python::text(&ended["stderr"])
        );
        return Err(broken(text.trim().to_owned()));
    }
    if !args.flag("extract_perms") {
        set_usual_modes(Path::new(&dest), &names)?;
    }
    Ok(trimmed(names, args.value("trim_output")))
}

/// Gives what was unpacked the modes of new files and directories.
fn set_usual_modes(dest: &Path, names: &[String]) -> Result<(), Failure> {
    let mask = mode::umask();
    for name in names {
        let path = dest.join(name);
        let Ok(found) = path.symlink_metadata() else {
            continue;
        };
        if found.is_symlink() {
            continue;
        }
        let bits = if found.is_dir() { 0o777 } else { 0o666 } & !mask;
        fs::set_permissions(&path, fs::Permissions::from_mode(bits))
            .map_err(|error| Failure::io(&path, error))?;
    }
    Ok(())
}

fn zip(args: &Args, env: &Env) -> Answer {
    let file = rendering::argument(args, "zip_file", env)?;
    let sources = sources(args)?;
    let cwd = args.optional_text("cwd")?.filter(|cwd| !cwd.is_empty());
    match &cwd {
        Some(cwd) if !cwd.starts_with('/') => {
            return Err(Failure::invocation("cwd must be absolute"));
        }
        None if sources.iter().any(|source| !source.starts_with('/')) => {
            return Err(Failure::invocation(
                "Relative paths require the 'cwd' parameter",
            ));
        }
        _ => {}
    }
    if !file.starts_with('/') {
        return Err(Failure::invocation(format!(
            "'{file}' is not an absolute path"
        )));
    }
    // Names in the archive are those below the directory that the program runs in.
    let root = cwd.clone().unwrap_or_else(|| "/".to_owned());
    let below = |source: &String| {
        let inside = Path::new(source).strip_prefix(&root).ok();
        let outside = || Path::new(source.trim_start_matches('/')).to_owned();
        inside.map_or_else(outside, Path::to_owned)
    };
    let names: Vec<String> = sources
        .iter()
        .map(below)
        .filter(|name| Path::new(&root).join(name).exists())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    if names.is_empty() {
        return Err(Failure::command(
            "Exception encountered creating zipfile: none of the sources is there",
        ));
    }
    // The program would add to an archive that is there.
    if Path::new(&file).exists() {
        fs::remove_file(&file).map_err(|error| Failure::io(&file, error))?;
    }
    let mut argv: Vec<String> = ["zip", "-q", "-r"].map(str::to_owned).to_vec();
    argv.extend([file.clone(), "--".to_owned()]);
    argv.extend(names);
    if crate::process::which("zip").is_none() {
        return Err(Failure::MissingProgram("zip".to_owned()));
    }
    let mut call = crate::call::Call::new("cmd.run_all")
        .arg(serde_json::Value::from(argv))
        .kwarg("python_shell", false)
        .kwarg("cwd", root);
    if !args.value("runas").is_null() {
        call = call.kwarg("runas", args.value("runas").clone());
    }
    let ended = env.call(&call)?.value;
    if ended["retcode"] != json!(0) {
        return Err(Failure::command(format!(
            "Exception encountered creating zipfile: {}{}",
            python::text(&ended["stdout"]),
            python::text(&ended["stderr"])
        )));
    }
    let path = Path::new(&file);
    let entries = zip_directory::read(path)
        .map_err(|error| Failure::io(path, error))?
        .unwrap_or_default();
    Ok(entries.into_iter().map(|entry| json!(entry.name)).collect())
}
