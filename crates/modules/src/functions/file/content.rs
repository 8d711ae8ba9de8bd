//! What files hold: reading, searching, hashing.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::json;
use sls::python_regex::Flags;

use super::{Answer, Args, Env, Failure, Function, call_of, check_cancelled, path, paths};
use crate::digest::{self, Algorithm};
use crate::edit::substitution;
use crate::failure::python_text;
use crate::python;

/// Largest file (or piece of one) that is read into memory.
const READ_MAX: u64 = 64 << 20;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "file.check_hash",
        "path, file_hash",
        "Whether a file has this hash: the digits alone, or with the algorithm in front (sha256:..., md5=...).",
        "file.check_hash /etc/fstab md5:9a8bbc2dabd2d1ecc4ea1b2ed0ac8e58",
        check_hash,
    ),
    Function::new(
        "file.contains",
        "path, text",
        "Whether a file contains a text; white space around the text does not count.",
        "file.contains /etc/crontab 'mymaintenance.sh'",
        |args, _| {
            let text = args.text("text")?;
            let bytes = match read(&path(args, "path")?) {
                Ok(bytes) => bytes,
                Err(_) => return Ok(json!(false)),
            };
            Ok(json!(String::from_utf8_lossy(&bytes).contains(text.trim())))
        },
    ),
    Function::new(
        "file.contains_regex",
        "path, regex, lchar=''",
        "Whether a line of a file matches a regular expression. lchar: characters to drop from the start of lines.",
        "file.contains_regex /etc/crontab '^maint'",
        contains_regex,
    ),
    Function::new(
        "file.get_hash",
        "path, form='sha256', chunk_size=65536",
        "The hash of a file.",
        "file.get_hash /etc/shadow",
        |args, _| {
            let chunk = usize::try_from(args.integer("chunk_size")?).unwrap_or(1 << 16);
            Ok(json!(digest::of_file(
                Algorithm::named(&args.text("form")?)?,
                &path(args, "path")?,
                chunk
            )?))
        },
    ),
    Function::new(
        "file.get_sum",
        "path, form='sha256'",
        "The hash of a file, 'File not found' when there is none.",
        "file.get_sum /etc/passwd sha512",
        |args, _| {
            let path = path(args, "path")?;
            if !path.is_file() {
                return Ok(json!("File not found"));
            }
            Ok(json!(digest::of_file(
                Algorithm::named(&args.text("form")?)?,
                &path,
                1 << 16
            )?))
        },
    ),
    Function::new(
        "file.grep",
        "path, pattern, *opts",
        "Run the grep program on a file or on all that match a shell pattern. Each option of grep is an argument of its \
         own. Answers pid, retcode, stdout and stderr.",
        "file.grep /etc/passwd nobody -- -i",
        grep,
    ),
    Function::new(
        "file.read",
        "path, binary=False",
        "The content of a file, up to 64 MiB. binary is accepted: what is no UTF-8 is replaced in either case.",
        "file.read /path/to/file",
        |args, _| {
            let path = path(args, "path")?;
            let bytes = read(&path)?;
            Ok(json!(String::from_utf8_lossy(&bytes)))
        },
    ),
    Function::new(
        "file.search",
        "path, pattern, flags=8, bufsize=1, ignore_if_missing=False, multiline=False",
        "Whether a regular expression matches anywhere in a file. flags: numbers or names of Python's re module. \
         multiline: ^ and $ match at each line (the default). bufsize is accepted: the whole file is searched.",
        "file.search /etc/crontab 'mymaintenance.sh'",
        search,
    ),
    Function::new(
        "file.seek_read",
        "path, size, offset",
        "Read size bytes of a file from an offset.",
        "file.seek_read /path/to/file 4096 0",
        |args, _| {
            let path = path(args, "path")?;
            let (size, offset) = (args.integer("size")?, args.integer("offset")?);
            let size = u64::try_from(size).ok().filter(|size| *size <= READ_MAX);
            let (Some(size), Ok(offset)) = (size, u64::try_from(offset)) else {
                return Err(Failure::invocation(format!(
                    "size and offset are from 0, and size is at most {READ_MAX}"
                )));
            };
            let file = File::open(&path).map_err(|error| Failure::io(&path, error))?;
            let mut bytes = vec![0; size as usize];
            let count = file
                .read_at(&mut bytes, offset)
                .map_err(|error| Failure::io(&path, error))?;
            Ok(json!(String::from_utf8_lossy(&bytes[..count])))
        },
    ),
];

/// A whole file, unless it is too large. Devices and pipes without a size are cut off at the limit as well.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| python_error(path, &error);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(READ_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > READ_MAX {
        return Err(Failure::command(format!(
            "'{}' is larger than {READ_MAX} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}

/// An error of the system as Python raises it, which scripts look for.
fn python_error(path: &Path, error: &std::io::Error) -> Failure {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => "FileNotFoundError",
        std::io::ErrorKind::PermissionDenied => "PermissionError",
        std::io::ErrorKind::IsADirectory => "IsADirectoryError",
        std::io::ErrorKind::NotADirectory => "NotADirectoryError",
        _ => "OSError",
    };
    Failure::exception(kind, python_text(path, error))
}

fn check_hash(args: &Args, _: &Env) -> Answer {
    let wanted = args.text("file_hash")?;
    let (name, digits) = match wanted.split_once(':').or_else(|| wanted.split_once('=')) {
        Some((name, digits)) => (name.to_owned(), digits),
        None => {
            let found = Algorithm::by_length(wanted.len()).ok_or_else(|| {
                let length = wanted.len();
                Failure::invocation(format!(
                    "Hash {wanted} (length: {length}) could not be matched to a supported hash type. \
                     The supported hash types and lengths are: {}",
                    Algorithm::lengths()
                ))
            })?;
            (found.0.to_owned(), wanted.as_str())
        }
    };
    let found = digest::of_file(Algorithm::named(&name)?, &path(args, "path")?, 1 << 16)?;
    Ok(json!(found.eq_ignore_ascii_case(digits)))
}

fn contains_regex(args: &Args, env: &Env) -> Answer {
    let regex = substitution::compile(&args.text("regex")?, Flags::default())?;
    let dropped: Vec<char> = args.text("lchar")?.chars().collect();
    let Ok(file) = File::open(path(args, "path")?) else {
        return Ok(json!(false));
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        check_cancelled(env)?;
        line.clear();
        let limited = reader.by_ref().take(READ_MAX).read_until(b'\n', &mut line);
        if !limited.is_ok_and(|count| count > 0) {
            return Ok(json!(false));
        }
        let text = String::from_utf8_lossy(&line);
        let line = text.trim_start_matches(dropped.as_slice());
        if substitution::found(regex.is_match(line))? {
            return Ok(json!(true));
        }
    }
}

fn search(args: &Args, _: &Env) -> Answer {
    let path = path(args, "path")?;
    if args.flag("ignore_if_missing") && !path.exists() {
        return Ok(json!(false));
    }
    let mut flags = substitution::flags(args.value("flags"))?;
    flags.multiline |= args.flag("multiline");
    let pattern = args.text("pattern")?;
    Ok(json!(substitution::is_in_file(&path, &pattern, flags)?))
}

fn grep(args: &Args, env: &Env) -> Answer {
    let path = path(args, "path")?;
    let mut words = vec![json!("grep")];
    for option in args.extra_args.iter().map(python::text) {
        match shlex::split(&option).as_deref() {
            Some([one]) => words.push(json!(one)),
            _ => {
                return Err(Failure::invocation(format!(
                    "Passing multiple command line arguments in a single string is not supported, please pass the \
                     following arguments separately: {option}"
                )));
            }
        }
    }
    words.extend([json!("-e"), json!(args.text("pattern")?), json!("--")]);
    let found = paths::expand_glob(&path)?;
    // Without a match grep itself shall say that the file is missing.
    let found = if found.is_empty() { vec![path] } else { found };
    words.extend(found.iter().map(|path| json!(path.to_string_lossy())));
    let outcome =
        env.call(&call_of("cmd.run_all", vec![json!(words)]).kwarg("python_shell", false))?;
    env.set_retcode(outcome.retcode);
    Ok(outcome.value)
}

/// Whether a regular file contains a match of a regular expression; for `file.find`.
pub(super) fn matches(path: &Path, regex: &regex::Regex) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file && read(path).is_ok_and(|bytes| regex.is_match(&String::from_utf8_lossy(&bytes)))
}
