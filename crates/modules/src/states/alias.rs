//! `alias`: who gets the mail of a name on this host.

use serde_json::json;

use super::{Args, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::call::Call;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new("alias.absent", "name", "Keep an alias removed.", absent),
    StateFunction::new(
        "alias.present",
        "name, target",
        "Keep an alias with its target, which may be a list.",
        present,
    ),
];

fn present(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, target) = (args.text("name")?, args.value("target"));
    let call = |fun: &str| Call::new(fun).arg(name.as_str()).arg(target.clone());
    if python::truthy(&env.call(&call("aliases.has_target"))?) {
        return Ok(returned(true, format!("Alias {name} already present")));
    }
    let target = python::text(target);
    if env.is_test {
        let comment = format!("Alias {name} -> {target} is set to be added");
        return Ok(returned(None, comment));
    }
    env.call(&call("aliases.set_target"))?;
    let comment = format!("Set email alias {name} -> {target}");
    Ok(changed(true, comment, json!({"alias": name})))
}

fn absent(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let call = |fun: &str| Call::new(fun).arg(name.as_str());
    if !python::truthy(&env.call(&call("aliases.get_target"))?) {
        return Ok(returned(true, format!("Alias {name} already absent")));
    }
    if env.is_test {
        return Ok(returned(None, format!("Alias {name} is set to be removed")));
    }
    env.call(&call("aliases.rm_alias"))?;
    let comment = format!("Removed alias {name}");
    Ok(changed(true, comment, json!({"alias": name})))
}

#[cfg(test)]
mod tests {
    use crate::testing::Host;
    use serde_json::json;

    #[test]
    fn aliases_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        let path = host.write("root/etc/aliases", "root: me\n");
        let args = json!({"name": "web", "target": ["a", "b"]});
        let foretold = host.state("alias.present", args.clone(), true);
        assert_eq!(
            foretold.comment,
            "Alias web -> ['a', 'b'] is set to be added"
        );
        let done = host.applies("alias.present", args);
        assert_eq!(done.comment, "Set email alias web -> ['a', 'b']");
        assert_eq!(done.changes["alias"], json!("web"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "root: me\nweb: a, b\n");
        let done = host.applies("alias.absent", json!({"name": "web"}));
        assert_eq!(done.comment, "Removed alias web");
        let again = host.state("alias.absent", json!({"name": "web"}), false);
        assert_eq!(again.comment, "Alias web already absent");
    }
}
