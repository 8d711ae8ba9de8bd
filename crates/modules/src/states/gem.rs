//! `gem`: packages of Ruby.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::{Args, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::process::which;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "gem.installed",
        "name, ruby=None, gem_bin=None, user=None, version=None, rdoc=False, ri=False, pre_releases=False, proxy=None, source=None",
        "Keep a gem installed. version: one, or >, >=, <, <= and one.",
        |args, env| loaded(args, env, "installed", installed),
    ),
    StateFunction::new(
        "gem.removed",
        "name, ruby=None, user=None, gem_bin=None",
        "Keep a gem removed.",
        |args, env| loaded(args, env, "removed", removed),
    ),
];

/// Runs a state where there is a gem program.
fn loaded(
    args: &Args,
    env: &StateEnv,
    function: &str,
    run: fn(&Args, &StateEnv) -> StateAnswer,
) -> StateAnswer {
    if which("gem").is_some() || args.flag("gem_bin") {
        return run(args, env);
    }
    let reason = "'gem' __virtual__ returned False: gem module could not be loaded";
    Ok(env.not_loaded(&format!("gem.{function}"), reason))
}

/// A call for the state's own gem, user and program.
fn call(args: &Args, fun: &str) -> Call {
    Call::new(fun)
        .arg(args.value("name").clone())
        .kwarg("ruby", args.value("ruby").clone())
        .kwarg("runas", args.value("user").clone())
        .kwarg("gem_bin", args.value("gem_bin").clone())
}

fn versions(args: &Args, env: &StateEnv) -> Result<Option<Vec<String>>, super::Failure> {
    let gems = env.call(&call(args, "gem.list"))?;
    let versions = gems.get(args.text("name")?).and_then(Value::as_array);
    Ok(versions.map(|versions| versions.iter().map(python::text).collect()))
}

/// Whether an order of versions is a wanted one.
type Fits = fn(Ordering) -> bool;

/// What versions may begin with; the longer marks first.
const BOUNDS: [(&str, Fits); 4] = [
    (">=", Ordering::is_ge),
    ("<=", Ordering::is_le),
    (">", Ordering::is_gt),
    ("<", Ordering::is_lt),
];

/// Versions by their numbers, words by the alphabet; a word stands for less than a number.
fn compared(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<Result<u64, String>> {
        let parts = text.split(['.', '-']);
        parts
            .map(|part| part.parse().map_err(|_| part.to_owned()))
            .collect()
    };
    let (a, b) = (parts(a), parts(b));
    for at in 0..a.len().max(b.len()) {
        let zero = Ok(0);
        let order = match (a.get(at).unwrap_or(&zero), b.get(at).unwrap_or(&zero)) {
            (Ok(a), Ok(b)) => a.cmp(b),
            (Err(a), Err(b)) => a.cmp(b),
            (Err(_), Ok(_)) => Ordering::Less,
            (Ok(_), Err(_)) => Ordering::Greater,
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn installed(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let wanted = args.optional_text("version")?;
    let bound = wanted.as_deref().and_then(|wanted| {
        let bound = |(mark, fits): &(&str, Fits)| Some((wanted.strip_prefix(mark)?.trim(), *fits));
        BOUNDS.iter().find_map(bound)
    });
    match (versions(args, env)?, &wanted, bound) {
        (Some(_), None, _) => return Ok(returned(true, "Gem is already installed.")),
        (Some(versions), _, Some((bound, fits))) => {
            let newest = versions.first().map(String::as_str).unwrap_or_default();
            let newest = newest.trim_start_matches("default:").trim();
            if fits(compared(newest, bound)) {
                return Ok(returned(true, "Installed Gem meets version requirements."));
            }
        }
        (Some(versions), Some(wanted), None) => {
            let bare = |version: &String| version.trim_start_matches("default:").trim() == wanted;
            if versions.iter().any(bare) {
                return Ok(returned(true, "Gem is already installed."));
            }
        }
        _ => {}
    }
    if env.is_test {
        let comment = format!("The gem {name} would have been installed");
        return Ok(returned(None, comment));
    }
    let mut install = call(args, "gem.install");
    for parameter in ["version", "rdoc", "ri", "pre_releases", "proxy", "source"] {
        install = install.kwarg(parameter, args.value(parameter).clone());
    }
    if env.call(&install)? == false {
        return Ok(returned(false, "Could not install gem."));
    }
    Ok(changed(
        true,
        "Gem was successfully installed",
        json!({name: "Installed"}),
    ))
}

fn removed(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    if versions(args, env)?.is_none() {
        return Ok(returned(true, "Gem is not installed."));
    }
    if env.is_test {
        return Ok(returned(
            None,
            format!("The gem {name} would have been removed"),
        ));
    }
    if env.call(&call(args, "gem.uninstall"))? == false {
        return Ok(returned(false, "Could not remove gem."));
    }
    Ok(changed(
        true,
        "Gem was successfully removed.",
        json!({name: "Removed"}),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::gem::tests::fake;
    use crate::testing::Host;

    #[test]
    fn gems_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let foretold = host.state("gem.installed", json!({"name": "rake"}), true);
        assert_eq!(foretold.comment, "The gem rake would have been installed");
        let done = host.applies("gem.installed", json!({"name": "rake"}));
        assert_eq!(done.comment, "Gem was successfully installed");
        let bound = host.state(
            "gem.installed",
            json!({"name": "rake", "version": ">= 0.9"}),
            false,
        );
        assert_eq!(bound.comment, "Installed Gem meets version requirements.");
        host.applies(
            "gem.installed",
            json!({"name": "rake", "version": "1.10.0"}),
        );
        let failed = host.state("gem.installed", json!({"name": "none"}), false);
        assert_eq!(failed.comment, "Could not install gem.");
        let done = host.applies("gem.removed", json!({"name": "rake"}));
        assert_eq!(done.comment, "Gem was successfully removed.");
    }

    #[test]
    fn versions_are_compared_by_numbers() {
        assert_eq!(compared("1.10", "1.9"), Ordering::Greater);
        assert_eq!(compared("1.0", "1"), Ordering::Equal);
        assert_eq!(compared("1.0.pre", "1.0"), Ordering::Less);
    }
}
