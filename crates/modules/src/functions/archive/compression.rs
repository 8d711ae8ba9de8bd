//! `archive.gzip` and its kin: programs that pack one file, and `rar`.

use super::{Function, run_lines, sources, trimmed, words};
use crate::failure::Failure;
use crate::{process, python};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "archive.gunzip",
        "gzipfile, template=None, runas=None, options=None",
        "Unpack a file by the gunzip program, in its place. options: one of its options. Answers what it prints.",
        "archive.gunzip /tmp/sourcefile.txt.gz",
        |args, env| {
            let argv = argv(
                "gunzip",
                args.optional_text("options")?,
                args.text("gzipfile")?,
            );
            run_lines(argv, args, env)
        },
    ),
    Function::new(
        "archive.gzip",
        "sourcefile, template=None, runas=None, options=None",
        "Pack a file by the gzip program, in its place. options: one of its options. Answers what it prints.",
        "archive.gzip /tmp/sourcefile.txt",
        |args, env| {
            let argv = argv(
                "gzip",
                args.optional_text("options")?,
                args.text("sourcefile")?,
            );
            run_lines(argv, args, env)
        },
    ),
    Function::new(
        "archive.rar",
        "rarfile, sources, template=None, cwd=None, runas=None",
        "Pack files into a rar archive by the rar program. sources: a list or names with commas. Answers what it prints.",
        "archive.rar /tmp/rarfile.rar /tmp/sourcefile1,/tmp/sourcefile2",
        |args, env| {
            let mut argv: Vec<String> = ["rar", "a", "-idp"].map(str::to_owned).to_vec();
            argv.push(args.text("rarfile")?);
            argv.extend(sources(args)?);
            run_lines(argv, args, env)
        },
    ),
    Function::new(
        "archive.unrar",
        "rarfile, dest, excludes=None, template=None, runas=None, trim_output=False",
        "Unpack a rar archive into a directory by the unrar or rar program. Answers what it prints.",
        "archive.unrar /tmp/rarfile.rar /home/strongbad/ excludes=file_1,file_2",
        |args, env| {
            let program = ["unrar", "rar"]
                .into_iter()
                .find(|name| process::which(name).is_some())
                .ok_or_else(|| Failure::MissingProgram("unrar".to_owned()))?;
            let mut argv: Vec<String> = [program, "x", "-idp"].map(str::to_owned).to_vec();
            argv.push(args.text("rarfile")?);
            for exclude in words(args.value("excludes")) {
                argv.extend(["-x".to_owned(), exclude]);
            }
            argv.push(args.text("dest")?);
            let lines = run_lines(argv, args, env)?;
            let lines = lines.as_array().into_iter().flatten().map(python::text);
            Ok(trimmed(lines.collect(), args.value("trim_output")))
        },
    ),
];

fn argv(program: &str, option: Option<String>, file: String) -> Vec<String> {
    let option = option.filter(|option| !option.is_empty());
    [Some(program.to_owned()), option, Some(file)]
        .into_iter()
        .flatten()
        .collect()
}
