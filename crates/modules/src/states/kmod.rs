//! `kmod`: modules of the kernel.

use serde_json::{Value, json};

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, returned};
use crate::functions::kmod;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "kmod.absent",
        "name, persist=False, comment=True, mods=None",
        "Keep modules unloaded.",
        absent,
    ),
    StateFunction::new(
        "kmod.present",
        "name, persist=False, mods=None",
        "Keep modules loaded.",
        present,
    ),
];

fn wanted(args: &Args) -> Result<Vec<String>, Failure> {
    Ok(match args.value("mods") {
        Value::Array(modules) => modules.iter().map(python::text).collect(),
        _ => vec![args.text("name")?],
    })
}

/// Adds a line to a comment.
fn tell(done: &mut Return, line: String) {
    if done.comment.is_empty() {
        done.comment = line;
    } else {
        done.comment = format!("{}\n{line}", done.comment.trim_end());
    }
}

/// Tells of one module or of several; nothing of none.
fn tell_of(done: &mut Return, modules: &[String], one: (&str, &str), many: (&str, &str)) {
    match modules {
        [] => {}
        [module] => tell(done, format!("{} {module}{}", one.0, one.1)),
        modules => tell(done, format!("{} {}{}", many.0, modules.join(", "), many.1)),
    }
}

/// What became of modules, by what the function answers.
#[derive(Default)]
struct Results {
    done: Vec<String>,
    undone: Vec<String>,
    failed: Vec<(String, String)>,
    through_others: Vec<String>,
}

impl Results {
    fn take(&mut self, module: &str, answer: &Value, word: &str, state: &mut Return) {
        match answer {
            Value::Array(changed) if !changed.is_empty() => {
                for one in changed.iter().map(python::text) {
                    state.changes.insert(one.clone(), json!(word));
                    if one != module {
                        self.through_others.push(one);
                    }
                }
                self.done.push(module.to_owned());
            }
            Value::Array(_) => {
                state.result = Some(false);
                self.undone.push(module.to_owned());
            }
            error => {
                state.result = Some(false);
                self.failed.push((module.to_owned(), python::text(error)));
            }
        }
    }

    fn tell(&self, state: &mut Return, past: &str, verb: &str) {
        let (one, many) = (
            format!("{past} kernel module"),
            format!("{past} kernel modules"),
        );
        tell_of(state, &self.done, (&one, ""), (&many, ""));
        let one = format!("Failed to {verb} kernel module");
        let many = format!("{one}s");
        tell_of(state, &self.undone, (&one, ""), (&many, ""));
        for (module, error) in &self.failed {
            tell(state, format!("{one} {module}: {error}"));
        }
    }
}

fn present(args: &Args, env: &StateEnv) -> StateAnswer {
    let (wanted, persists) = (wanted(args)?, args.flag("persist"));
    let mut known = kmod::loaded()?;
    if persists {
        let persistent = kmod::persistent(env.env);
        known.retain(|module| persistent.contains(module));
    }
    let (there, missing): (Vec<String>, Vec<String>) = wanted
        .into_iter()
        .partition(|module| known.contains(module));
    let mut done = returned(true, "");
    tell_of(
        &mut done,
        &there,
        ("Kernel module", " is already present"),
        ("Kernel modules", " are already present"),
    );
    if missing.is_empty() {
        return Ok(done);
    }
    if env.is_test {
        done.result = None;
        tell_of(
            &mut done,
            &missing,
            ("Kernel module", " is set to be loaded"),
            ("Kernel modules", " are set to be loaded"),
        );
        return Ok(done);
    }
    let all = kmod::available(env.env)?;
    let (available, unavailable): (Vec<String>, Vec<String>) =
        missing.into_iter().partition(|module| all.contains(module));
    if !unavailable.is_empty() {
        done.result = Some(false);
        tell_of(
            &mut done,
            &unavailable,
            ("Kernel module", " is unavailable"),
            ("Kernel modules", " are unavailable"),
        );
    }
    let mut results = Results::default();
    for module in available {
        if results.through_others.contains(&module) {
            results.done.push(module);
            continue;
        }
        let answer = kmod::load(env.env, &module, persists)?;
        results.take(&module, &answer, "loaded", &mut done);
    }
    results.tell(&mut done, "Loaded", "load");
    Ok(done)
}

fn absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let (wanted, persists) = (wanted(args)?, args.flag("persist"));
    let mut known = kmod::loaded()?;
    if persists {
        known.extend(kmod::persistent(env.env));
    }
    let there: Vec<String> = wanted
        .iter()
        .filter(|module| known.contains(module))
        .cloned()
        .collect();
    let mut done = returned(true, "");
    if there.is_empty() {
        let all = wanted.join(", ");
        done.comment = if wanted.len() == 1 {
            format!("Kernel module {all} is already removed")
        } else {
            format!("Kernel modules {all} are already removed")
        };
        return Ok(done);
    }
    if env.is_test {
        done.result = None;
        tell_of(
            &mut done,
            &there,
            ("Kernel module", " is set to be removed"),
            ("Kernel modules", " are set to be removed"),
        );
        return Ok(done);
    }
    let mut results = Results::default();
    for module in there {
        let answer = kmod::remove(env.env, &module, persists, args.flag("comment"))?;
        results.take(&module, &answer, "removed", &mut done);
    }
    results.tell(&mut done, "Removed", "remove");
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::kmod::tests::fake;
    use crate::testing::{Host, checked};

    #[test]
    fn modules_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let check = |fun: &str, args: Value, is_test: bool, result: Option<bool>, comment: &str| {
            Value::Object(checked(host.state(fun, args, is_test), result, comment).changes)
        };
        let args = json!({"name": "x", "mods": ["base", "new_one"]});
        let comment =
            "Kernel module base is already present\nKernel module new_one is set to be loaded";
        check("kmod.present", args.clone(), true, None, comment);
        let comment = "Kernel module base is already present\nLoaded kernel module new_one";
        let changes = check("kmod.present", args.clone(), false, Some(true), comment);
        assert_eq!(changes, json!({"new_one": "loaded"}));
        let comment = "Kernel modules base, new_one are already present";
        check("kmod.present", args, false, Some(true), comment);
        check(
            "kmod.present",
            json!({"name": "no"}),
            false,
            Some(false),
            "Kernel module no is unavailable",
        );
        let args = json!({"name": "new_one"});
        check(
            "kmod.absent",
            args.clone(),
            true,
            None,
            "Kernel module new_one is set to be removed",
        );
        check(
            "kmod.absent",
            args.clone(),
            false,
            Some(true),
            "Removed kernel module new_one",
        );
        check(
            "kmod.absent",
            args,
            false,
            Some(true),
            "Kernel module new_one is already removed",
        );
    }
}
