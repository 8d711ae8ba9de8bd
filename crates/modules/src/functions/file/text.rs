//! Edits of text files.

use std::fs::{self, OpenOptions};

use serde_json::{Value, json};
use sls::python_regex;

use super::{Answer, Args, Env, Failure, Function, call_of, path};
use crate::edit::block::{Block, Otherwise};
use crate::edit::comment::Comment;
use crate::edit::diff;
use crate::edit::line::{Line, Mode};
use crate::edit::replace::{self, PUBLIC_MODE};
use crate::edit::substitution::{self, End, Substitution, Writing, suffixed};
use crate::edit::text::{self, Text};
use crate::pattern;
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "file.blockreplace",
        "path, marker_start='#-- start managed zone --', marker_end='#-- end managed zone --', content='', append_if_not_found=False, \
         prepend_if_not_found=False, backup='.bak', dry_run=False, show_changes=True, append_newline=False, insert_before_match=None, \
         insert_after_match=None",
        "Replace the text between two marker lines and answer the difference. append_newline: end the content with a line feed. \
         insert_before_match, insert_after_match: regular expressions for the line where a missing block goes.",
        "file.blockreplace /etc/hosts '#-- start managed zone --' '#-- end managed zone --' '10.0.1.1 foo.foobar'",
        |args, _| block_replace(args, args.flag("dry_run")),
    ),
    Function::new(
        "file.comment",
        "path, regex, char='#', backup='.bak'",
        "Comment out the lines that match a regular expression from their start.",
        "file.comment /etc/modules pcspkr",
        |args, _| comment(args, true),
    ),
    Function::new(
        "file.comment_line",
        "path, regex, char='#', cmnt=True, backup='.bak'",
        "Comment lines out, or with cmnt=False in, that match a regular expression from their start; answers the difference, or false \
         when no line matches.",
        "file.comment_line /etc/modules '^pcspkr'",
        |args, _| comment(args, args.flag("cmnt")),
    ),
    Function::new(
        "file.contains_glob",
        "path, glob_expr",
        "Whether a file as a whole matches a shell pattern.",
        "file.contains_glob /etc/foobar '*cheese*'",
        |args, _| {
            let Ok(text) = Text::read(&path(args, "path")?) else {
                return Ok(json!(false));
            };
            let glob = pattern::glob(&args.text("glob_expr")?, false);
            Ok(json!(glob.is_some_and(|glob| glob.is_match(text.as_str()))))
        },
    ),
    Function::new(
        "file.line",
        "path, content=None, match=None, mode=None, location=None, before=None, after=None, show_changes=True, backup=False, quiet=False, \
         indent=True",
        "Keep one line of a file: insert, ensure, delete or replace it. match, before and after are regular expressions or pieces of lines; \
         location is start or end. Answers the difference, or whether anything changed.",
        "file.line /etc/nsswitch.conf 'networks: files dns' after='hosts:.*?' mode=ensure",
        |args, _| line(args, false),
    ),
    Function::new(
        "file.prepend",
        "path, *args, **kwargs",
        "Put lines in front of a file; it is made when it is missing. args: the lines as a list.",
        "file.prepend /etc/motd 'With all thine offerings' 'thou shalt offer salt.'",
        |args, _| {
            let path = path(args, "path")?;
            let lines = super::change::lines(args);
            prepend(&path, &lines)?;
            Ok(json!(format!(
                "Prepended {} lines to \"{}\"",
                lines.len(),
                path.display()
            )))
        },
    ),
    Function::new(
        "file.psed",
        "path, before, after, limit='', backup='.bak', flags='gMS', escape_all=False, multi=False",
        "Replace what matches a regular expression in a file. flags: g for all, and I, M, S, X as in Python. The old file is kept under the \
         name with backup behind it.",
        "file.psed /etc/httpd/httpd.conf 'LogLevel warn' 'LogLevel info'",
        psed,
    ),
    Function::new(
        "file.replace",
        "path, pattern, repl, count=0, flags=8, bufsize=1, append_if_not_found=False, prepend_if_not_found=False, not_found_content=None, \
         backup='.bak', dry_run=False, search_only=False, show_changes=True, ignore_if_missing=False, preserve_inode=True, \
         backslash_literal=False, encoding=None",
        "Replace what matches a regular expression and answer the difference. backup: appended to the path for the old file, false for none. \
         search_only: answer whether it matches. bufsize is accepted: the whole file is searched. encoding: utf-8 or none.",
        "file.replace /etc/httpd/httpd.conf pattern='LogLevel warn' repl='LogLevel info'",
        |args, _| replace_text(args, args.flag("dry_run")),
    ),
    Function::new(
        "file.sed",
        "path, before, after, limit='', backup='.bak', options='-r -e', flags='g', escape_all=False, negate_match=False",
        "Edit a file with the sed program; file.replace is the better way. Answers pid, retcode, stdout and stderr.",
        "file.sed /etc/httpd/httpd.conf 'LogLevel warn' 'LogLevel info'",
        sed,
    ),
    Function::new(
        "file.seek_write",
        "path, data, offset",
        "Write a text into a file at an offset; answers the bytes written.",
        "file.seek_write /path/to/file 'some data' 4096",
        |args, _| {
            use std::os::unix::fs::FileExt;
            let path = path(args, "path")?;
            let offset = offset(args, "offset")?;
            let data = args.text("data")?;
            let write = || {
                let file = OpenOptions::new().write(true).open(&path)?;
                file.write_all_at(data.as_bytes(), offset)?;
                file.sync_all()
            };
            write().map_err(|error| Failure::io(&path, error))?;
            Ok(json!(data.len()))
        },
    ),
    Function::new(
        "file.truncate",
        "path, length",
        "Cut a file to this many bytes.",
        "file.truncate /path/to/file 512",
        |args, _| {
            let path = path(args, "path")?;
            let length = offset(args, "length")?;
            let file = OpenOptions::new().write(true).open(&path);
            let cut = file.and_then(|file| file.set_len(length));
            cut.map_err(|error| Failure::io(&path, error))?;
            Ok(Value::Null)
        },
    ),
    Function::new(
        "file.uncomment",
        "path, regex, char='#', backup='.bak'",
        "Take the comment mark from lines that match a regular expression behind it.",
        "file.uncomment /etc/hosts.deny 'ALL: PARANOID'",
        |args, _| comment(args, false),
    ),
];

fn offset(args: &Args, name: &str) -> Result<u64, Failure> {
    let number = args.integer(name)?;
    u64::try_from(number)
        .map_err(|_| Failure::invocation(format!("Argument '{name}' must not be negative")))
}

/// What stands behind a path for its backup; none for no backup.
fn backup(args: &Args) -> Option<String> {
    let value = args.value("backup");
    python::truthy(value).then(|| python::text(value))
}

/// A difference, or with `show_changes=False` whether there is one.
fn shown(args: &Args, diff: String) -> Value {
    if args.flag("show_changes") {
        json!(diff)
    } else {
        json!(!diff.is_empty())
    }
}

/// `file.replace` with the parameters of the function or of the state.
pub(crate) fn replace_text(args: &Args, is_test: bool) -> Answer {
    let path = path_of(args)?;
    if !path.exists() && args.flag("ignore_if_missing") {
        return Ok(json!(false));
    }
    if let Some(encoding) = args.optional_text("encoding")? {
        let plain = encoding.to_ascii_lowercase().replace('_', "-");
        if !matches!(plain.as_str(), "utf-8" | "utf8" | "ascii") {
            return Err(Failure::invocation(format!(
                "encoding '{encoding}' is not served: utf-8 is"
            )));
        }
    }
    let (appends, prepends) = (
        args.flag("append_if_not_found"),
        args.flag("prepend_if_not_found"),
    );
    if args.flag("search_only") && (appends || prepends) {
        return Err(Failure::invocation(
            "search_only cannot be used with append/prepend_if_not_found",
        ));
    }
    if appends && prepends {
        return Err(Failure::invocation(
            "Only one of append and prepend_if_not_found is permitted",
        ));
    }
    let flags = substitution::flags(args.value("flags"))?;
    let pattern = python::text(args.value("pattern"));
    if args.flag("search_only") {
        return Ok(json!(substitution::is_in_file(&path, &pattern, flags)?));
    }
    let replacement = python::text(args.value("repl"));
    let otherwise_line = args.optional_text("not_found_content")?;
    let wanted = Substitution {
        pattern: &pattern,
        flags,
        replacement: &replacement,
        is_literal: args.flag("backslash_literal"),
        count: usize::try_from(args.integer("count")?).unwrap_or(0),
        otherwise: match (appends, prepends) {
            (true, _) => Some(End::Last),
            (_, true) => Some(End::First),
            _ => None,
        },
        otherwise_line: otherwise_line.as_deref(),
    };
    let writing = Writing {
        backup: backup(args),
        // The state has no such parameter.
        keeps_inode: args.value("preserve_inode") != &json!(false),
        is_test,
    };
    Ok(shown(
        args,
        substitution::in_file(&path, &wanted, &writing)?,
    ))
}

/// The path, which functions call `path` and states `name`.
fn path_of(args: &Args) -> Result<std::path::PathBuf, Failure> {
    match args.value("path") {
        Value::Null => path(args, "name"),
        _ => path(args, "path"),
    }
}

fn comment(args: &Args, is_out: bool) -> Answer {
    let (regex, mark) = (args.text("regex")?, args.text("char")?);
    let comment = Comment {
        regex: &regex,
        mark: &mark,
        is_out,
    };
    let diff = comment.in_file(&path(args, "path")?, backup(args).as_deref())?;
    Ok(diff.map_or(json!(false), Value::String))
}

/// `file.line` with the parameters of the function or of the state.
pub(crate) fn line(args: &Args, is_test: bool) -> Answer {
    let given = path_of(args)?;
    let target = fs::canonicalize(&given).ok().filter(|path| path.is_file());
    let Some(target) = target else {
        if args.flag("quiet") {
            return Ok(json!(false));
        }
        return Err(Failure::command(format!(
            "File \"{}\" does not exists or is not a file.",
            given.display()
        )));
    };
    let text_of = |name: &str| args.optional_text(name);
    let mode = text_of("mode")?.map(|mode| mode.to_lowercase());
    let (content, matching) = (text_of("content")?, text_of("match")?);
    let (before, after) = (text_of("before")?, text_of("after")?);
    let location = text_of("location")?;
    let text = Text::read(&target)?;
    let spelled = |words: &Option<String>| words.as_deref().map(|words| text.spelled(words));
    let (content, matching) = (spelled(&content), spelled(&matching));
    let (before, after) = (spelled(&before), spelled(&after));
    let wanted = Line {
        mode: Mode::named(mode.as_deref())?,
        content: content.as_deref(),
        matching: matching.as_deref(),
        location: location.as_deref(),
        before: before.as_deref(),
        after: after.as_deref(),
        is_indented: args.flag("indent"),
    };
    let old = text.as_str();
    let lines = wanted.apply(old)?;
    let new = lines.concat();
    if new == old {
        return Ok(json!(false));
    }
    if !is_test {
        if args.flag("backup") {
            let now = jiff::Zoned::now()
                .strftime(".%Y-%m-%d-%H-%M-%S")
                .to_string();
            text::copy_aside(&target, &suffixed(&target, &now), false)?;
        }
        replace::replace(&target, &text.bytes_of(&new), PUBLIC_MODE)
            .map_err(|error| Failure::io(&target, error))?;
    }
    if !args.flag("show_changes") {
        return Ok(json!(true));
    }
    let old: Vec<String> = text::lines(old)
        .into_iter()
        .map(|line| text.shown(line))
        .collect();
    let new: Vec<String> = lines.iter().map(|line| text.shown(line)).collect();
    let diff = diff::of_lines(&old, &new, "", "");
    Ok(if diff.is_empty() {
        json!(true)
    } else {
        json!(diff)
    })
}

/// `file.blockreplace` with the parameters of the function.
fn block_replace(args: &Args, is_test: bool) -> Answer {
    let content = args.text("content")?;
    put_block(args, &content, is_test)
}

/// `file.blockreplace` with this content and the other parameters of the function or of the state.
pub(crate) fn put_block(args: &Args, content: &str, is_test: bool) -> Answer {
    let path = path_of(args)?;
    let (before, after) = (
        args.value("insert_before_match"),
        args.value("insert_after_match"),
    );
    let places = [
        args.flag("append_if_not_found"),
        args.flag("prepend_if_not_found"),
        python::truthy(before),
        python::truthy(after),
    ];
    if places.iter().filter(|is_set| **is_set).count() > 1 {
        return Err(Failure::invocation(
            "Only one of append_if_not_found, prepend_if_not_found, insert_before_match, and insert_after_match is permitted",
        ));
    }
    if !path.exists() {
        return Err(text::not_found(&path));
    }
    text::refuse_binary(&path)?;
    let text = Text::read(&path)?;
    let regex = |name: &str| match args.value(name) {
        Value::String(pattern) => Ok(text.spelled(pattern)),
        _ => Err(Failure::command(format!(
            "RegEx expected in {name} parameter."
        ))),
    };
    let pattern = match places {
        [_, _, true, _] => regex("insert_before_match")?,
        [_, _, _, true] => regex("insert_after_match")?,
        _ => String::new(),
    };
    let (start, end) = (
        text.spelled(&args.text("marker_start")?),
        text.spelled(&args.text("marker_end")?),
    );
    let block = Block {
        marker_start: &start,
        marker_end: &end,
        content: &text.spelled(content),
        appends_newline: match args.value("append_newline") {
            Value::Null => !content.ends_with('\n'),
            said => python::truthy(said),
        },
        otherwise: match places {
            [true, ..] => Otherwise::Append,
            [_, true, ..] => Otherwise::Prepend,
            [_, _, true, _] => Otherwise::Before(&pattern),
            [_, _, _, true] => Otherwise::After(&pattern),
            _ => Otherwise::Fail,
        },
    };
    let new = block.put_into(text.as_str())?;
    let shown_lines = |lines: Vec<&str>| -> Vec<String> {
        lines.into_iter().map(|line| text.shown(line)).collect()
    };
    let old = shown_lines(text::byte_lines(text.as_str()));
    let shown_new = shown_lines(new.iter().map(String::as_str).collect());
    let diff = diff::of_lines(&old, &shown_new, "", "");
    if !diff.is_empty() && !is_test {
        if let Some(suffix) = backup(args) {
            text::copy_aside(&path, &suffixed(&path, &suffix), true)?;
        }
        replace::replace(&path, &text.bytes_of(&new.concat()), PUBLIC_MODE)
            .map_err(|error| Failure::io(&path, error))?;
    }
    Ok(shown(args, diff))
}

/// Puts lines in front of a file, which is made when it is missing.
pub(crate) fn prepend(path: &std::path::Path, lines: &[String]) -> Result<(), Failure> {
    let mut bytes: Vec<u8> = lines
        .iter()
        .flat_map(|line| [line, "\n"].concat().into_bytes())
        .collect();
    match fs::read(path) {
        Ok(old) => bytes.extend(old),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::io(path, error)),
    }
    replace::replace(path, &bytes, PUBLIC_MODE).map_err(|error| Failure::io(path, error))
}

fn psed(args: &Args, _: &Env) -> Answer {
    let path = path(args, "path")?;
    let before = escaped_for_sed(&args.text("before")?, args.flag("escape_all"));
    let limit = escaped_for_sed(&args.text("limit")?, args.flag("escape_all"));
    if !limit.is_empty() {
        // Salt drops all that stands before the limit from the file.
        return Err(Failure::invocation(
            "limit is not served: take file.replace",
        ));
    }
    let (mut count, mut flags) = (1, python_regex::Flags::default());
    for letter in args.text("flags")?.chars() {
        match letter {
            'g' => count = 0,
            'I' => flags.ignore_case = true,
            'M' => flags.multiline = true,
            'S' => flags.dot_all = true,
            'X' => flags.verbose = true,
            'L' | 'U' => {}
            other => return Err(Failure::exception("KeyError", format!("'{other}'"))),
        }
    }
    let wanted = Substitution {
        pattern: &before,
        flags,
        replacement: &args.text("after")?,
        is_literal: false,
        count,
        otherwise: None,
        otherwise_line: None,
    };
    let writing = Writing {
        backup: backup(args),
        keeps_inode: true,
        is_test: false,
    };
    substitution::in_file(&path, &wanted, &writing)?;
    Ok(Value::Null)
}

fn sed(args: &Args, env: &Env) -> Answer {
    let path = path(args, "path")?;
    if !path.exists() {
        return Ok(json!(false));
    }
    let escaped = |name: &str| {
        Ok::<String, Failure>(escaped_for_sed(&args.text(name)?, args.flag("escape_all")))
    };
    let limit = match escaped("limit")? {
        limit if limit.is_empty() => limit,
        limit => format!("/{limit}/ "),
    };
    let negation = if args.flag("negate_match") { "!" } else { "" };
    let script = format!(
        "{limit}{negation}s/{}/{}/{}",
        escaped("before")?,
        escaped("after")?,
        args.text("flags")?
    );
    let options = args.text("options")?;
    let options = shlex::split(&options)
        .ok_or_else(|| Failure::invocation(format!("options have an open quote: {options}")))?;
    let mut words = vec![
        "sed".to_owned(),
        format!("-i{}", backup(args).unwrap_or_default()),
    ];
    words.extend(options);
    words.extend([script, path.to_string_lossy().into_owned()]);
    let call = call_of("cmd.run_all", vec![json!(words)]).kwarg("python_shell", false);
    let outcome = env.call(&call)?;
    env.set_retcode(outcome.retcode);
    Ok(outcome.value)
}

/// Quotes and slashes escaped, with `escape_all` what regular expressions take specially too.
fn escaped_for_sed(text: &str, escapes_all: bool) -> String {
    let mut text = text.replace('\'', "'\"'\"'").replace('/', "\\/");
    if escapes_all {
        for special in "^.[$()|*+?{".chars() {
            text = text.replace(special, &format!("\\{special}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn edits_answer_differences() {
        let host = Host::new();
        let path = host.write("f", "one\ntwo\n");
        let call = |fun: &str| Call::new(fun).arg(path.as_str());
        let check = |call: Call, expected: Value, content: &str| {
            assert_eq!(host.call(call.clone()).value, expected, "{call:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content, "{call:?}");
        };
        let replace = call("file.replace")
            .kwarg("pattern", "^t(.*)")
            .kwarg("repl", "T\\1");
        let diff = "--- \n+++ \n@@ -1,2 +1,2 @@\n one\n-two\n+Two\n";
        check(
            replace.clone().kwarg("dry_run", true),
            json!(diff),
            "one\ntwo\n",
        );
        check(replace.clone(), json!(diff), "one\nTwo\n");
        check(replace.clone(), json!(""), "one\nTwo\n");
        check(
            replace.clone().kwarg("search_only", true),
            json!(false),
            "one\nTwo\n",
        );
        assert_eq!(
            fs::read_to_string(format!("{path}.bak")).unwrap(),
            "one\ntwo\n"
        );
        let comment = call("file.comment_line").arg("^one");
        check(
            comment,
            json!("--- \n+++ \n@@ -1 +1 @@\n-one\n+#one\n"),
            "#one\nTwo\n",
        );
        let line = call("file.line")
            .kwarg("mode", "delete")
            .kwarg("match", "Tw");
        check(
            line.clone().kwarg("show_changes", false),
            json!(true),
            "#one\n",
        );
        check(line, json!(false), "#one\n");
        let prepend = call("file.prepend").arg("zero").arg(0);
        check(
            prepend,
            json!(format!("Prepended 2 lines to \"{path}\"")),
            "zero\n0\n#one\n",
        );
        check(call("file.truncate").arg(5), Value::Null, "zero\n");
        check(call("file.psed").arg("z").arg("Z"), Value::Null, "Zero\n");
        let block = call("file.blockreplace")
            .kwarg("content", "x")
            .kwarg("backup", false);
        let text = "ERROR: Cannot edit marked block. Markers were not found in file.";
        check(block, json!(text), "Zero\n");
        if crate::process::which("sed").is_some() {
            host.call(call("file.sed").arg("Z").arg("/"));
            assert_eq!(fs::read_to_string(&path).unwrap(), "/ero\n");
        }
    }
}
