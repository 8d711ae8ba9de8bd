//! `pkg`: the repositories that packages come from, and their keys.

use serde_json::{Value, json};

use super::{Answer, Args, Env, Function};
use crate::packages::{self, Options};
use crate::repositories::{repositories, wants_refresh};

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::new(
        "pkg.add_repo_key",
        "path=None, text=None, keyserver=None, keyid=None, saltenv='base', aptkey=True, keydir=None, keyfile=None",
        "Add the key of a repository: from a file (salt:// or a path), a text, or a server of keys. aptkey: into apt-key's ring where that \
         program is; else into keydir (/etc/apt/keyrings), a file named keyfile.",
        "pkg.add_repo_key salt://apt/sources/test.key",
        |args, env| {
            let mut options = Options::default();
            for name in [
                "path",
                "text",
                "keyserver",
                "keyid",
                "saltenv",
                "aptkey",
                "keydir",
                "keyfile",
            ] {
                options = options.with(name, args.value(name).clone());
            }
            Ok(json!(repositories(env)?.add_key(&options)?))
        },
    ),
    Function::new(
        "pkg.del_repo",
        "repo, **kwargs",
        "Remove a repository, named by its complete line, and fetch the lists anew.",
        "pkg.del_repo \"deb http://example.com/debian stable main\"",
        |args, env| {
            let options = Options::new(&args.extra_kwargs);
            let told = repositories(env)?.delete(&args.text("repo")?, &options)?;
            packages::manager(env)?.refresh(&Options::default())?;
            Ok(json!(told))
        },
    ),
    Function::new(
        "pkg.del_repo_key",
        "name=None, aptkey=True, keydir=None, **kwargs",
        "Remove the key with this keyid.",
        "pkg.del_repo_key keyid=0123ABCD",
        |args, env| {
            let options = Options::new(&args.extra_kwargs)
                .with("aptkey", args.flag("aptkey"))
                .with("keydir", args.value("keydir").clone());
            Ok(repositories(env)?
                .delete_key(&options)?
                .map_or(json!(false), Value::String))
        },
    ),
    Function::new(
        "pkg.get_repo",
        "repo, **kwargs",
        "A repository as it is configured, named by its complete line; an empty dictionary when it is not.",
        "pkg.get_repo \"deb http://example.com/debian stable main\"",
        |args, env| {
            let options = Options::new(&args.extra_kwargs);
            repositories(env)?
                .get(&args.text("repo")?, &options)
                .map(Value::Object)
        },
    ),
    Function::new(
        "pkg.get_repo_keys",
        "aptkey=True, keydir=None",
        "The keys of repositories.",
        "pkg.get_repo_keys",
        |args, env| {
            let options = Options::default()
                .with("aptkey", args.flag("aptkey"))
                .with("keydir", args.value("keydir").clone());
            repositories(env)?.keys(&options).map(Value::Object)
        },
    ),
    Function::new(
        "pkg.list_repos",
        "**kwargs",
        "All repositories, by their addresses.",
        "pkg.list_repos",
        |_, env| repositories(env)?.list().map(Value::Object),
    ),
    Function::new(
        "pkg.mod_repo",
        "repo, saltenv='base', aptkey=True, **kwargs",
        "Configure a repository, named by its complete line. comps, architectures (with commas), file, dist, uri, disabled, comments, \
         trusted, consolidate; keyid with keyserver, key_url or key_text; refresh=False: do not fetch the lists afterwards.",
        "pkg.mod_repo \"deb http://example.com/debian stable main\" comps=main,universe",
        mod_repo,
    ),
];

fn mod_repo(args: &Args, env: &Env) -> Answer {
    let repo = args.text("repo")?;
    let options = Options::new(&args.extra_kwargs)
        .with("saltenv", args.value("saltenv").clone())
        .with("aptkey", args.flag("aptkey"));
    let repositories = repositories(env)?;
    repositories.set(&repo, &options)?;
    if wants_refresh(&options) {
        packages::manager(env)?.refresh(&Options::default())?;
    }
    let known = repositories.get(&repo, &options)?;
    Ok(json!({ repo: known }))
}
