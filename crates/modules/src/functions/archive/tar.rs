//! `archive.tar`: the tar program.

use super::{Function, run_lines, sources};
use crate::failure::Failure;

pub(super) const FUNCTIONS: &[Function] = &[Function::new(
    "archive.tar",
    "options, tarfile, sources=None, dest=None, cwd=None, template=None, runas=None",
    "Run the tar program. options: those of tar, with spaces between (a dash in front is optional). sources: files, a \
     list or names with commas, patterns allowed. dest: the directory to unpack into. Answers what it prints.",
    "archive.tar cjvf /tmp/tarfile.tar.bz2 /tmp/file_1,/tmp/file_2",
    |args, env| {
        let options = args.optional_text("options")?.unwrap_or_default();
        if options.is_empty() {
            return Err(Failure::invocation("Tar options can not be empty"));
        }
        let mut argv = vec!["tar".to_owned()];
        argv.extend(options.split_whitespace().map(str::to_owned));
        argv.push(args.text("tarfile")?);
        if let Some(dest) = args.optional_text("dest")?.filter(|dest| !dest.is_empty()) {
            // Before the members: tar changes directory for what follows only.
            argv.extend(["-C".to_owned(), dest]);
        }
        argv.extend(sources(args)?);
        run_lines(argv, args, env)
    },
)];
