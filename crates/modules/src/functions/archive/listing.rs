//! `archive.list`: what is in an archive.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function, zip_directory};
use crate::failure::python_text;
use crate::process::{self, Finished, Spec};
use crate::source::{self, Wish};

pub(super) const FUNCTIONS: &[Function] = &[Function::new(
    "archive.list",
    "name, archive_format=None, options=None, strip_components=None, clean=False, verbose=False, saltenv='base', \
     source_hash=None, use_etag=False",
    "The members of an archive: tar in any packing that the tar program knows, or zip, or rar by the rar program. name: \
     a path, or a URL that is fetched. options: a command that unpacks to standard output, for tar archives in other \
     packings. strip_components: leading directories to drop. verbose: dirs, files and links apart, with those at the top. \
     clean: remove the fetched copy. use_etag is accepted: what is not of this hash is fetched anew.",
    "archive.list /path/to/myfile.tar.gz",
    list,
)];

/// Ends of names of tar archives.
const TAR_ENDS: [&str; 10] = [
    ".tar",
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tbz2",
    ".tbz",
    ".tar.xz",
    ".txz",
    ".tar.lzma",
    ".tlz",
];

/// The format that the name of an archive tells; tar in zstd, which Salt does not know, too.
pub(crate) fn guessed_format(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if ends(&TAR_ENDS) || ends(&[".tar.zst", ".tzst"]) {
        Some("tar")
    } else if ends(&[".zip"]) {
        Some("zip")
    } else if ends(&[".rar"]) {
        Some("rar")
    } else {
        None
    }
}

/// Members by kind; directories end with a slash.
#[derive(Debug, Default, PartialEq)]
struct Members {
    dirs: Vec<String>,
    files: Vec<String>,
    links: Vec<String>,
}

fn list(args: &Args, env: &Env) -> Answer {
    let name = args.text("name")?;
    let saltenv = args.text("saltenv")?;
    let hash = args.optional_text("source_hash")?;
    let wish = Wish {
        hash: hash.as_deref().and_then(|hash| hash.rsplit('=').next()),
        cancel: Some(env.cancel),
        ..Wish::default()
    };
    let local = source::fetch_as(env.ctx, &name, Some(&saltenv), wish)
        .map_err(|failure| Failure::command(format!("Failed to cache {name}: {failure}")))?;
    let mut members = members(&name, &local, args, env).map_err(|failure| {
        // So that somebody can look at the archive.
        let mut text = failure.to_string();
        if !text.ends_with(['.', '?', '!']) {
            text.push('.');
        }
        let place = local.display();
        Failure::command(format!(
            "{text} Additional info follows:\n\narchive location:\n    {place}"
        ))
    })?;
    if args.flag("clean") && !matches!(source::scheme(&name), "" | "file") {
        fs::remove_file(&local).map_err(|error| Failure::io(&local, error))?;
    }
    if args.flag("strip_components") {
        let count = args.integer("strip_components").unwrap_or(-1);
        let count = usize::try_from(count).ok().filter(|count| *count > 0);
        members
            .strip(count.ok_or_else(|| {
                Failure::command("'strip_components' must be a positive integer")
            })?);
    }
    Ok(if args.flag("verbose") {
        members.report()
    } else {
        let mut all = [members.dirs, members.files, members.links].concat();
        all.sort();
        json!(all)
    })
}

/// The members of an archive on this host, by the format that is said or guessed from the name.
fn members(name: &str, local: &Path, args: &Args, env: &Env) -> Result<Members, Failure> {
    let format = match args
        .optional_text("archive_format")?
        .filter(|format| !format.is_empty())
    {
        Some(format) => format,
        None => guessed_format(source::path_of(name))
            .ok_or_else(|| {
                let text =
                    "Unable to guess archive format, please pass an 'archive_format' argument.";
                Failure::command(text)
            })?
            .to_owned(),
    };
    match format.as_str() {
        "tar" => in_tar(name, local, args.optional_text("options")?, env),
        "zip" => in_zip(name, local),
        "rar" => in_rar(name, env),
        other => Err(Failure::command(format!(
            "Unsupported archive format '{other}'"
        ))),
    }
}

impl Members {
    fn strip(&mut self, count: usize) {
        for names in [&mut self.dirs, &mut self.files, &mut self.links] {
            let kept = names
                .iter()
                .filter_map(|name| name.splitn(count + 1, '/').nth(count));
            let mut kept: Vec<String> = kept
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect();
            kept.sort();
            *names = kept;
        }
    }

    fn report(mut self) -> Value {
        self.dirs.sort();
        self.files.sort();
        self.links.sort();
        let depth = |name: &String| name.matches('/').count();
        let mut top_dirs: Vec<&str> = self
            .dirs
            .iter()
            .filter(|name| depth(name) == 1)
            .map(String::as_str)
            .collect();
        // An archive need not hold the directory that all its members are in.
        let all = || self.dirs.iter().chain(&self.files).chain(&self.links);
        let first = all().next().map_or("", String::as_str);
        let common = all().fold(first.len(), |length, name| {
            let same = first.bytes().zip(name.bytes()).take_while(|(a, b)| a == b);
            length.min(same.count())
        });
        if let Some(end) = first.as_bytes()[..common]
            .iter()
            .position(|byte| *byte == b'/')
        {
            let top = &first[..=end];
            if !top_dirs.contains(&top) {
                top_dirs.push(top);
            }
        }
        let at_top = |names: &[String]| -> Vec<Value> {
            let names = names.iter().filter(|name| depth(name) == 0);
            names.map(|name| json!(name)).collect()
        };
        json!({
            "dirs": self.dirs,
            "files": self.files,
            "links": self.links,
            "top_level_dirs": top_dirs,
            "top_level_files": at_top(&self.files),
            "top_level_links": at_top(&self.links),
        })
    }
}

/// Asks tar twice, for names and for types: in the long listing a name cannot be told from the target of a link.
fn in_tar(name: &str, local: &Path, unpack: Option<String>, env: &Env) -> Result<Members, Failure> {
    let unpack = unpack.filter(|command| !command.is_empty());
    let unreadable = || {
        Failure::command(format!(
            "Unable to list contents of {name}. If this is an XZ-compressed tar archive, install XZ Utils to enable listing \
             its contents. If it is compressed using something other than XZ, it may be necessary to specify CLI options to \
             decompress the archive. See the documentation for details."
        ))
    };
    let ask = |options: &str| -> Result<Finished, Failure> {
        let path = local.to_string_lossy();
        let finished = match &unpack {
            None => process::query(&["tar", options, "-f", &path], env.cancel)?,
            Some(command) => unpacked(command, options, &path, env)?,
        };
        if finished.retcode != 0 {
            tracing::warn!(name, "tar does not list an archive: {}", &*finished.stderr);
            return Err(unreadable());
        }
        Ok(finished)
    };
    let (names, types) = (ask("-t")?, ask("-tv")?);
    let mut members = Members::default();
    for (name, long) in names.stdout.lines().zip(types.stdout.lines()) {
        let name = unescaped(name);
        match long.chars().next() {
            Some('l') => members.links.push(name),
            Some('d') => members
                .dirs
                .push(format!("{}/", name.trim_end_matches('/'))),
            _ => members.files.push(name),
        }
    }
    Ok(members)
}

/// Lists what a command unpacks to its standard output.
fn unpacked(command: &str, options: &str, path: &str, env: &Env) -> Result<Finished, Failure> {
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| Failure::command("Invalid CLI options"))?;
    // The words are arguments of the shell and no part of its program.
    let program = format!("\"$@\" | tar {options} -f -");
    let mut argv = vec!["sh", "-c", &program, "sh"];
    argv.extend(words.iter().map(String::as_str));
    argv.push(path);
    let mut spec = Spec::new(&argv);
    spec.env = vec![("LC_ALL".to_owned(), "C".to_owned())];
    process::run(spec, env.cancel).map_err(|error| Failure::io("sh", error))
}

/// A name as tar prints it: backslashes, line breaks and bytes beyond ASCII stand behind a backslash.
fn unescaped(name: &str) -> String {
    if !name.contains('\\') {
        return name.to_owned();
    }
    let mut out = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let octal = after.get(..3).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        let byte = match (octal, after.first()) {
            (Some(byte), _) => {
                rest = &after[3..];
                byte
            }
            (None, Some(letter)) => {
                rest = &after[1..];
                match letter {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'v' => 11,
                    letter => *letter,
                }
            }
            (None, None) => b'\\',
        };
        out.push(byte);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn in_zip(name: &str, local: &Path) -> Result<Members, Failure> {
    let entries = zip_directory::read(local)
        .map_err(|error| {
            let error = python_text(local, &error);
            Failure::command(format!("Failed to list contents of {name}: {error}"))
        })?
        .ok_or_else(|| Failure::command(format!("{name} is not a ZIP file")))?;
    let mut members = Members::default();
    let mut dirs = BTreeSet::new();
    for entry in entries {
        if entry.is_link() {
            members.links.push(entry.name);
        } else if entry.is_dir() {
            dirs.insert(entry.name);
        } else {
            members.files.push(entry.name);
        }
    }
    // Archives of other systems hold no directories of their own.
    for file in &members.files {
        if let Some((above, _)) = file.rsplit_once('/') {
            dirs.insert(format!("{above}/"));
        }
    }
    members.files.retain(|file| !dirs.contains(file));
    members.dirs = dirs.into_iter().collect();
    Ok(members)
}

fn in_rar(name: &str, env: &Env) -> Result<Members, Failure> {
    if process::which("rar").is_none() {
        return Err(Failure::command(
            "rar command not available, is it installed?",
        ));
    }
    let finished = process::query(&["rar", "lt", name], env.cancel)?;
    let mut members = Members::default();
    let mut found = None;
    for line in finished.stdout.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("Name:") {
            found = Some(name.trim().to_owned());
        } else if let Some(kind) = line.strip_prefix("Type:")
            && let Some(name) = found.take()
        {
            match kind.trim() {
                "Directory" => members.dirs.push(format!("{name}/")),
                _ => members.files.push(name),
            }
        }
    }
    if members == Members::default() {
        return Err(Failure::command(format!(
            "Failed to list {name}, is it a rar file? If so, the installed version of rar may be too old to list data in a \
             parsable format."
        )));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_guessed() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(guessed_format(name), expected, "{name}")
        };
        check("/a/B.TAR.GZ", Some("tar"));
        check("b.tgz", Some("tar"));
        check("b.tar.zst", Some("tar"));
        check("b.zip", Some("zip"));
        check("b.rar", Some("rar"));
        check("b.gz", None);
        check("tar", None);
    }

    #[test]
    fn members_are_reported() {
        let members = |dirs: &[&str], files: &[&str]| Members {
            dirs: dirs.iter().map(|name| (*name).to_owned()).collect(),
            files: files.iter().map(|name| (*name).to_owned()).collect(),
            links: Vec::new(),
        };
        let report = members(&["a/", "a/b/"], &["a/x", "top"]).report();
        assert_eq!(report["top_level_dirs"], json!(["a/"]));
        assert_eq!(report["top_level_files"], json!(["top"]));
        let report = members(&[], &["jdk/bin/java", "jdk/lib"]).report();
        assert_eq!(report["top_level_dirs"], json!(["jdk/"]));
        let mut stripped = members(&["a/", "a/b/"], &["a/x", "top"]);
        stripped.strip(1);
        assert_eq!(stripped, members(&["b/"], &["x"]));
        assert_eq!(unescaped(r"a\nb\\c\303\251"), "a\nb\\cé");
    }
}
