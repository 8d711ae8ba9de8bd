//! `git`: checkouts, by the git program.

#[cfg(test)]
mod tests;
mod work;

use serde_json::{Map, Value, json};

use self::work::{
    clone, config_set, flag, git, init, references, remote_set, remotes, run, with_scope, words,
};
use super::{Answer, Args, Failure, Function};
use crate::git::{self, Git};

/// A command of git: what is special to it, and the words that it is called with.
macro_rules! command {
    ($name:literal, $head:literal, $doc:literal, $example:literal, $words:expr) => {
        Function::new(
            $name,
            concat!($head, ", opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None"),
            concat!($doc, " opts: options of the command; git_opts: those of git. user: run as this user."),
            $example,
            |args, env| run(args, env, $words, false),
        )
    };
}

/// The same for a command that may need a key.
macro_rules! remote_command {
    ($name:literal, $head:literal, $doc:literal, $example:literal, $words:expr) => {
        Function::new(
            $name,
            concat!(
                $head,
                ", opts='', git_opts='', user=None, password=None, identity=None, ignore_retcode=False, saltenv='base', \
                 output_encoding=None"
            ),
            concat!($doc, " opts: options of the command; git_opts: those of git. user: run as this user. identity: files of private keys."),
            $example,
            |args, env| run(args, env, $words, true),
        )
    };
}

/// A question about a checkout.
macro_rules! question {
    ($name:literal, $head:literal, $doc:literal, $example:literal, $ask:expr) => {
        Function::new(
            $name,
            concat!(
                $head,
                ", user=None, password=None, ignore_retcode=False, output_encoding=None"
            ),
            $doc,
            $example,
            |args, env| {
                let ask: fn(&Args, &Git, &str) -> Answer = $ask;
                ask(args, &git(args, env)?, &args.text("cwd")?)
            },
        )
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    command!(
        "git.add",
        "cwd, filename",
        "Add files to the index.",
        "git.add /path/to/repo foo/bar.py",
        |args| { Ok((words(&["add", "--verbose"]), vec![args.text("filename")?])) }
    ),
    command!(
        "git.branch",
        "cwd, name=None",
        "Make a branch, or do to it what opts say.",
        "git.branch /path/to/repo mybranch",
        |args| {
            Ok((
                words(&["branch"]),
                args.optional_text("name")?.into_iter().collect(),
            ))
        }
    ),
    command!(
        "git.checkout",
        "cwd, rev=None, force=False",
        "Check a branch, tag or commit out.",
        "git.checkout /path/to/repo somebranch user=jeff",
        |args| {
            let mut head = words(&["checkout"]);
            if args.flag("force") {
                head.push("--force".to_owned());
            }
            let rev = args.optional_text("rev")?;
            let makes_branch = git::options(args.value("opts"))?
                .iter()
                .any(|option| option == "-b" || option == "-B");
            if rev.is_none() && !makes_branch {
                return Err(Failure::invocation(
                    "'rev' argument is required unless -b or -B in opts",
                ));
            }
            Ok((head, rev.into_iter().collect()))
        }
    ),
    Function::new(
        "git.clone",
        "cwd, url=None, name=None, opts='', git_opts='', user=None, password=None, identity=None, https_user=None, https_pass=None, \
         ignore_retcode=False, saltenv='base', output_encoding=None",
        "Clone a repository into a directory, or with name into one of that name below it.",
        "git.clone /path/to/repo git://github.com/saltstack/salt.git",
        clone,
    ),
    command!(
        "git.commit",
        "cwd, message, filename=None",
        "Commit the index, or one file.",
        "git.commit /path/to/repo 'The commit message'",
        |args| {
            Ok((
                vec!["commit".to_owned(), "-m".to_owned(), args.text("message")?],
                args.optional_text("filename")?.into_iter().collect(),
            ))
        }
    ),
    Function::new(
        "git.config_get",
        "key, cwd=None, user=None, password=None, ignore_retcode=False, output_encoding=None, **kwargs",
        "The value of an option. all: all its values. global: of the user, not of the repository.",
        "git.config_get user.name cwd=/path/to/repo",
        |args, env| {
            let values = with_scope(args, env, |git, scope| {
                Ok(git.option_values(scope, &args.text("key")?))
            })?;
            Ok(match values {
                Some(values) if flag(args, "all") => json!(values),
                Some(values) => json!(values.last()),
                None => Value::Null,
            })
        },
    ),
    Function::new(
        "git.config_get_regexp",
        "key, value_regex=None, cwd=None, user=None, password=None, ignore_retcode=False, output_encoding=None, **kwargs",
        "The options whose names, and values, match expressions.",
        "git.config_get_regexp 'user\\..*' cwd=/path/to/repo",
        |args, env| {
            let value = args.optional_text("value_regex")?;
            with_scope(args, env, |git, scope| {
                Ok(Value::Object(git.options_matching(
                    scope,
                    &args.text("key")?,
                    value.as_deref(),
                )))
            })
        },
    ),
    Function::new(
        "git.config_set",
        "key, value=None, multivar=None, cwd=None, user=None, password=None, ignore_retcode=False, output_encoding=None, **kwargs",
        "Set an option to a value, or to several (multivar). add: keep those that it has. global: of the user.",
        "git.config_set user.email me@example.com cwd=/path/to/repo",
        config_set,
    ),
    Function::new(
        "git.config_unset",
        "key, value_regex=None, cwd=None, user=None, password=None, ignore_retcode=False, output_encoding=None, **kwargs",
        "Take an option away. all: each of its values. global: of the user.",
        "git.config_unset user.email cwd=/path/to/repo",
        |args, env| {
            let value = args.optional_text("value_regex")?;
            with_scope(args, env, |git, scope| {
                git.unset_option(
                    scope,
                    &args.text("key")?,
                    value.as_deref(),
                    flag(args, "all"),
                )?;
                Ok(json!(true))
            })
        },
    ),
    question!(
        "git.current_branch",
        "cwd",
        "The branch of a checkout.",
        "git.current_branch /path/to/repo",
        |_, git, cwd| Ok(json!(git.current_branch(cwd)?))
    ),
    question!(
        "git.describe",
        "cwd, rev='HEAD'",
        "A name for a commit, by the newest tag before it.",
        "git.describe /path/to/repo",
        |args, git, cwd| {
            Ok(json!(
                git.run(cwd, &["describe", "--always", &args.text("rev")?])?
            ))
        }
    ),
    command!(
        "git.diff",
        "cwd, item1=None, item2=None, paths=None, cached=False",
        "Differences of commits or files.",
        "git.diff /path/to/repo HEAD~1",
        |args| {
            let mut head = words(&["diff"]);
            if args.flag("cached") {
                head.push("--cached".to_owned());
            }
            let mut tail: Vec<String> = args
                .optional_text("item1")?
                .into_iter()
                .chain(args.optional_text("item2")?)
                .collect();
            let paths = args.texts("paths");
            if !paths.is_empty() {
                tail.push("--".to_owned());
                tail.extend(paths);
            }
            Ok((head, tail))
        }
    ),
    question!(
        "git.discard_local_changes",
        "cwd",
        "Throw away what was changed in a checkout.",
        "git.discard_local_changes /path/to/repo",
        |_, git, cwd| {
            git.run(cwd, &["reset", "--hard", "HEAD"])?;
            Ok(json!(true))
        }
    ),
    Function::new(
        "git.fetch",
        "cwd, remote=None, force=False, refspecs=None, opts='', git_opts='', user=None, password=None, identity=None, \
         ignore_retcode=False, saltenv='base', output_encoding=None",
        "Fetch from a remote, and say what came.",
        "git.fetch /path/to/repo upstream",
        |args, env| {
            let options = git::options(args.value("opts"))?;
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let remote = args.optional_text("remote")?.unwrap_or_default();
            let git = git(args, env)?;
            let fetched = git.fetch(
                &args.text("cwd")?,
                args.flag("force"),
                &options,
                &remote,
                &args.texts("refspecs"),
            )?;
            Ok(Value::Object(fetched))
        },
    ),
    Function::new(
        "git.init",
        "cwd, bare=False, template=None, separate_git_dir=None, shared=None, opts='', git_opts='', user=None, password=None, \
         ignore_retcode=False, output_encoding=None",
        "Make a repository.",
        "git.init /path/to/repo.git bare=True",
        init,
    ),
    question!(
        "git.is_worktree",
        "cwd",
        "Whether a directory is a worktree of a repository elsewhere.",
        "git.is_worktree /path/to/repo",
        |_, git, cwd| { Ok(json!(git.is_worktree(cwd))) }
    ),
    question!(
        "git.list_branches",
        "cwd, remote=False",
        "The branches of a checkout, or those known of remotes.",
        "git.list_branches /path/to/repo",
        |args, git, cwd| { Ok(json!(git.branches(cwd, args.flag("remote"))?)) }
    ),
    question!(
        "git.list_tags",
        "cwd",
        "The tags of a checkout.",
        "git.list_tags /path/to/repo",
        |_, git, cwd| Ok(json!(git.tags(cwd)?))
    ),
    Function::new(
        "git.ls_remote",
        "cwd=None, remote='origin', ref=None, opts='', git_opts='', user=None, password=None, identity=None, https_user=None, \
         https_pass=None, ignore_retcode=False, output_encoding=None, saltenv='base'",
        "The references of a remote, with their commits.",
        "git.ls_remote /path/to/repo origin",
        |args, env| {
            let options = git::options(args.value("opts"))?;
            let cwd = args.optional_text("cwd")?.unwrap_or_else(|| "/".to_owned());
            let mut found = references(args, env, &cwd, "remote", &options)?;
            if let Some(wanted) = args.optional_text("ref")? {
                found.retain(|name, _| *name == wanted || name.ends_with(&format!("/{wanted}")));
            }
            Ok(Value::Object(found))
        },
    ),
    remote_command!(
        "git.merge",
        "cwd, rev=None",
        "Merge a commit into the branch.",
        "git.merge /path/to/repo upstream/branchname",
        |args| {
            Ok((
                words(&["merge"]),
                args.optional_text("rev")?.into_iter().collect(),
            ))
        }
    ),
    remote_command!(
        "git.pull",
        "cwd",
        "Fetch, and merge what came.",
        "git.pull /path/to/repo opts='--rebase origin master'",
        |_| { Ok((words(&["pull"]), Vec::new())) }
    ),
    remote_command!(
        "git.push",
        "cwd, remote=None, ref=None",
        "Push to a remote.",
        "git.push /path/to/repo origin issue21",
        |args| {
            Ok((
                words(&["push"]),
                vec![args.text("remote")?, args.text("ref")?],
            ))
        }
    ),
    command!(
        "git.rebase",
        "cwd, rev='master'",
        "Rebase the branch.",
        "git.rebase /path/to/repo master",
        |args| { Ok((words(&["rebase"]), vec![args.text("rev")?])) }
    ),
    question!(
        "git.remote_get",
        "cwd, remote='origin', redact_auth=True",
        "The addresses of a remote.",
        "git.remote_get /path/to/repo",
        |args, git, cwd| {
            let name = args.text("remote")?;
            match remotes(args, git, cwd)?.shift_remove(&name) {
                Some(remote) => Ok(remote),
                None => Err(Failure::command(format!(
                    "Remote '{name}' not present in git checkout located at {cwd}"
                ))),
            }
        }
    ),
    Function::new(
        "git.remote_refs",
        "url, heads=False, tags=False, user=None, password=None, identity=None, https_user=None, https_pass=None, ignore_retcode=False, \
         output_encoding=None, saltenv='base'",
        "The references of a repository, with their commits.",
        "git.remote_refs https://github.com/saltstack/salt.git",
        |args, env| {
            let flags = [("heads", "--heads"), ("tags", "--tags")];
            let options: Vec<String> = flags
                .iter()
                .filter(|(name, _)| args.flag(name))
                .map(|(_, flag)| (*flag).to_owned())
                .collect();
            Ok(Value::Object(references(args, env, "/", "url", &options)?))
        },
    ),
    Function::new(
        "git.remote_set",
        "cwd, url, remote='origin', user=None, password=None, https_user=None, https_pass=None, push_url=None, push_https_user=None, \
         push_https_pass=None, ignore_retcode=False, output_encoding=None",
        "Set the address of a remote.",
        "git.remote_set /path/to/repo git@github.com:user/repo.git",
        remote_set,
    ),
    question!(
        "git.remotes",
        "cwd, redact_auth=True",
        "The addresses of all remotes.",
        "git.remotes /path/to/repo",
        |args, git, cwd| { Ok(Value::Object(remotes(args, git, cwd)?)) }
    ),
    remote_command!(
        "git.reset",
        "cwd",
        "Reset the branch and the files.",
        "git.reset /path/to/repo opts='--hard origin/master'",
        |_| { Ok((words(&["reset"]), Vec::new())) }
    ),
    command!(
        "git.rev_parse",
        "cwd, rev=None",
        "The commit of a revision, or what opts ask.",
        "git.rev_parse /path/to/repo HEAD",
        |args| {
            Ok((
                words(&["rev-parse"]),
                args.optional_text("rev")?.into_iter().collect(),
            ))
        }
    ),
    question!(
        "git.revision",
        "cwd, rev='HEAD', short=False",
        "The commit of a revision.",
        "git.revision /path/to/repo mybranch",
        |args, git, cwd| {
            let rev = args.text("rev")?;
            let words: &[&str] = if args.flag("short") {
                &["rev-parse", "--short", &rev]
            } else {
                &["rev-parse", &rev]
            };
            Ok(json!(git.run(cwd, words)?))
        }
    ),
    command!(
        "git.rm",
        "cwd, filename",
        "Remove files from the index and the checkout.",
        "git.rm /path/to/repo foo/bar.py",
        |args| { Ok((words(&["rm"]), vec![args.text("filename")?])) }
    ),
    command!(
        "git.stash",
        "cwd, action='save'",
        "Put changes aside, or take them back.",
        "git.stash /path/to/repo pop",
        |args| { Ok((vec!["stash".to_owned(), args.text("action")?], Vec::new())) }
    ),
    question!(
        "git.status",
        "cwd",
        "What was changed in a checkout.",
        "git.status /path/to/repo",
        |_, git, cwd| {
            let mut found = Map::new();
            for line in git.run(cwd, &["status", "-z", "--porcelain"])?.split('\0') {
                let Some((state, name)) = line.trim_start().split_once(' ') else {
                    continue;
                };
                let state = match state {
                    "M" => "modified",
                    "A" => "new",
                    "D" => "deleted",
                    "??" => "untracked",
                    other => other,
                };
                let list = found.entry(state.to_owned()).or_insert_with(|| json!([]));
                list.as_array_mut()
                    .into_iter()
                    .for_each(|list| list.push(json!(name.trim_start())));
            }
            Ok(Value::Object(found))
        }
    ),
    remote_command!(
        "git.submodule",
        "cwd, command",
        "Do something to the modules of a checkout.",
        "git.submodule /path/to/repo update opts='--init'",
        |args| {
            Ok((
                vec!["submodule".to_owned(), args.text("command")?],
                Vec::new(),
            ))
        }
    ),
    command!(
        "git.symbolic_ref",
        "cwd, ref, value=None",
        "What a symbolic reference points to, or set it.",
        "git.symbolic_ref /path/to/repo HEAD",
        |args| {
            Ok((
                words(&["symbolic-ref"]),
                std::iter::once(args.text("ref")?)
                    .chain(args.optional_text("value")?)
                    .collect(),
            ))
        }
    ),
    command!(
        "git.tag",
        "cwd, name, ref='HEAD', message=None",
        "Make a tag.",
        "git.tag /path/to/repo v0.1 message='First'",
        |args| {
            let mut tail = Vec::new();
            if let Some(message) = args.optional_text("message")? {
                tail.extend(["-m".to_owned(), message]);
            }
            tail.push(args.text("name")?);
            // What deletes a tag takes no commit.
            let deletes = git::options(args.value("opts"))?
                .iter()
                .any(|option| option == "-d" || option == "--delete");
            if !deletes {
                tail.push(args.text("ref")?);
            }
            Ok((words(&["tag"]), tail))
        }
    ),
    Function::new(
        "git.version",
        "versioninfo=False",
        "The version of git. versioninfo: as a list of its parts.",
        "git.version",
        |args, env| {
            let told = Git::new(env, None, &[], "base")?.run("/", &["--version"])?;
            let version = told
                .split_whitespace()
                .nth(2)
                .unwrap_or("unknown")
                .to_owned();
            if !args.flag("versioninfo") {
                return Ok(json!(version));
            }
            let part = |part: &str| {
                part.parse::<u64>()
                    .map_or_else(|_| json!(part), |number| json!(number))
            };
            Ok(version.split('.').map(part).collect())
        },
    ),
];
