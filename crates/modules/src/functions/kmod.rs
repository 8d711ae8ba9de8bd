//! `kmod`: modules of the running kernel, and those that are loaded at boot.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Answer, Env, Failure, Function};
use crate::call::Call;
use crate::edit::substitution::escaped;
use crate::process::query;
use crate::root;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "kmod.available",
        "",
        "The modules that may be loaded into the running kernel.",
        "kmod.available",
        |_, env| Ok(json!(available(env)?)),
    ),
    Function::new(
        "kmod.check_available",
        "mod",
        "Whether a module may be loaded.",
        "kmod.check_available kvm",
        |args, env| Ok(json!(available(env)?.contains(&args.text("mod")?))),
    ),
    Function::new(
        "kmod.is_loaded",
        "mod",
        "Whether a module is loaded.",
        "kmod.is_loaded kvm",
        |args, _| Ok(json!(loaded()?.contains(&args.text("mod")?))),
    ),
    Function::new(
        "kmod.load",
        "mod, persist=False",
        "Load a module, with persist at boot too; answers the modules that came, or what went wrong.",
        "kmod.load kvm",
        |args, env| load(env, &args.text("mod")?, args.flag("persist")),
    ),
    Function::new(
        "kmod.lsmod",
        "",
        "The loaded modules with their sizes and users.",
        "kmod.lsmod",
        |_, _| Ok(lines()?.iter().map(|line| report(line)).collect()),
    ),
    Function::new(
        "kmod.mod_list",
        "only_persist=False",
        "The names of the loaded modules, or of those that are loaded at boot by configuration.",
        "kmod.mod_list",
        |args, env| {
            Ok(json!(if args.flag("only_persist") {
                persistent(env)
            } else {
                loaded()?
            }))
        },
    ),
    Function::new(
        "kmod.remove",
        "mod, persist=False, comment=True",
        "Unload a module, with persist at boot too, where its line is commented out or, with comment=False, removed.",
        "kmod.remove kvm",
        |args, env| {
            remove(
                env,
                &args.text("mod")?,
                args.flag("persist"),
                args.flag("comment"),
            )
        },
    ),
];

fn lines() -> Result<Vec<String>, Failure> {
    let path = root::path("/proc/modules");
    let text = fs::read_to_string(&path).map_err(|error| Failure::io(&path, error))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn report(line: &str) -> Value {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let deps = word(3)
        .split(',')
        .filter(|dep| !dep.is_empty() && *dep != "-");
    json!({"size": word(1), "module": word(0), "depcount": word(2), "deps": deps.collect::<Vec<_>>()})
}

/// The names of the loaded modules, in order.
pub(crate) fn loaded() -> Result<Vec<String>, Failure> {
    let lines = lines()?;
    let names = lines
        .iter()
        .filter_map(|line| line.split_whitespace().next());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

/// The file of modules that are loaded at boot.
fn config(env: &Env) -> PathBuf {
    let has_systemd = env.ctx.grains().get("systemd").is_some();
    root::path(if has_systemd {
        "/etc/modules-load.d/salt_managed.conf"
    } else {
        "/etc/modules"
    })
}

/// The modules that are loaded at boot by configuration, in order.
pub(crate) fn persistent(env: &Env) -> Vec<String> {
    let text = fs::read_to_string(config(env)).unwrap_or_default();
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    let mut names: Vec<String> = lines.filter_map(name).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// The name of a module without its parameters.
fn name(module: &str) -> Option<&str> {
    module.split_whitespace().next()
}

/// The modules that may be loaded, in order.
pub(crate) fn available(_: &Env) -> Result<Vec<String>, Failure> {
    let system = nix::sys::utsname::uname().map_err(|errno| Failure::command(errno.desc()))?;
    let directory = root::path(&format!(
        "/lib/modules/{}",
        system.release().to_string_lossy()
    ));
    let built_in = fs::read_to_string(directory.join("modules.builtin")).unwrap_or_default();
    let file_name = |line: &str| {
        line.rsplit('/')
            .next()
            .unwrap_or(line)
            .trim_end_matches(".ko")
            .to_owned()
    };
    let mut names: Vec<String> = built_in.lines().map(file_name).collect();
    let mut waiting = vec![directory];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(entry.path());
            } else if let Some((name, _)) = name.split_once(".ko") {
                names.push(name.replace('-', "_"));
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Loads a module; answers those that came, or a text of what went wrong.
pub(crate) fn load(env: &Env, module: &str, persists: bool) -> Answer {
    let before = loaded()?;
    let done = run(env, "modprobe", module)?;
    if let Some(error) = done {
        return Ok(json!(format!("Error loading module {module}: {error}")));
    }
    let mut new: Vec<String> = loaded()?
        .into_iter()
        .filter(|name| !before.contains(name))
        .collect();
    if let Some(name) = name(module).filter(|_| persists) {
        let is_there = persistent(env).iter().any(|known| known == name);
        if !is_there && available(env)?.iter().any(|known| known == name) {
            persist(env, module)?;
            new.push(name.to_owned());
        }
    }
    new.sort();
    new.dedup();
    Ok(json!(new))
}

/// Runs a program on a module; answers what it says when it fails.
fn run(env: &Env, program: &str, module: &str) -> Result<Option<String>, Failure> {
    if crate::process::which(program).is_none() {
        return Err(Failure::command(format!(
            "Command '{program}' cannot be found"
        )));
    }
    let words: Vec<&str> = std::iter::once(program)
        .chain(module.split_whitespace())
        .collect();
    let done = query(&words, env.cancel)?;
    Ok((done.retcode != 0).then(|| done.stderr.trim_end().to_owned()))
}

fn persist(env: &Env, module: &str) -> Result<(), Failure> {
    let path = config(env);
    if !path.exists() {
        fs::write(&path, "").map_err(|error| Failure::io(&path, error))?;
    }
    let path = path.to_string_lossy().into_owned();
    let escaped = escaped(module);
    let search = Call::new("file.search")
        .arg(path.as_str())
        .arg(format!("^#[\t ]*{escaped}[\t ]*$"));
    let call = if env.call(&search.kwarg("multiline", true))?.value == json!(true) {
        Call::new("file.uncomment").arg(path).arg(escaped)
    } else {
        Call::new("file.append").arg(path).arg(module)
    };
    env.call(&call).map(|_| ())
}

/// Unloads a module; answers those that went, or a text of what went wrong.
pub(crate) fn remove(env: &Env, module: &str, persists: bool, comments: bool) -> Answer {
    let before = loaded()?;
    if let Some(error) = run(env, "rmmod", module)? {
        return Ok(json!(format!("Error removing module {module}: {error}")));
    }
    let after = loaded()?;
    let mut gone: Vec<String> = before
        .into_iter()
        .filter(|name| !after.contains(name))
        .collect();
    let persistent = persistent(env);
    let persisted =
        name(module).filter(|name| persists && persistent.iter().any(|known| known == name));
    if let Some(name) = persisted {
        let path = config(env).to_string_lossy().into_owned();
        let pattern = format!("^[\t ]*{}[\t ]?", escaped(module));
        let call = if comments {
            Call::new("file.comment").arg(path).arg(pattern)
        } else {
            Call::new("file.sed").arg(path).arg(pattern).arg("")
        };
        env.call(&call)?;
        gone.push(name.to_owned());
    }
    gone.sort();
    gone.dedup();
    Ok(json!(gone))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::Host;

    /// A kernel that is a file.
    pub(crate) fn fake(host: &Host) {
        let modules = host.write("root/proc/modules", "base 1 2 dep, Live 0x0\n");
        let release = nix::sys::utsname::uname()
            .unwrap()
            .release()
            .to_string_lossy()
            .into_owned();
        host.write(
            &format!("root/lib/modules/{release}/kernel/new-one.ko.xz"),
            "",
        );
        host.write(
            &format!("root/lib/modules/{release}/modules.builtin"),
            "kernel/fs/ext4.ko\n",
        );
        host.write("root/etc/modules", "# hi\n#new_one\n");
        host.program("modprobe", &format!("[ $1 = bad ] && {{ echo no such module >&2; exit 1; }}; echo \"$1 1 0 - Live\" >>{modules}"));
        host.program(
            "rmmod",
            &format!("grep -v \"^$1 \" {modules} >{modules}.new; mv {modules}.new {modules}"),
        );
    }

    #[test]
    fn modules_come_and_go() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let check = |call: Call, expected: Value| {
            assert_eq!(host.call(call.clone()).value, expected, "{call:?}")
        };
        check(Call::new("kmod.available"), json!(["ext4", "new_one"]));
        let base = json!([{"size": "1", "module": "base", "depcount": "2", "deps": ["dep"]}]);
        check(Call::new("kmod.lsmod"), base);
        check(
            Call::new("kmod.load").arg("new_one").kwarg("persist", true),
            json!(["new_one"]),
        );
        check(
            Call::new("kmod.load").arg("bad"),
            json!("Error loading module bad: no such module"),
        );
        check(Call::new("kmod.mod_list").arg(true), json!(["new_one"]));
        assert_eq!(
            fs::read_to_string(host.path("root/etc/modules")).unwrap(),
            "# hi\nnew_one\n"
        );
        check(
            Call::new("kmod.remove")
                .arg("new_one")
                .kwarg("persist", true),
            json!(["new_one"]),
        );
        check(Call::new("kmod.mod_list").arg(true), json!([]));
        check(Call::new("kmod.mod_list"), json!(["base"]));
    }
}
