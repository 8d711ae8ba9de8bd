//! `alternatives`: which of several programs a name stands for.

use serde_json::json;

use super::{Args, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::functions::alternatives::{self, current, display, exists};

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "alternatives.auto",
        "name",
        "Let priorities decide what a name stands for.",
        auto,
    ),
    StateFunction::new(
        "alternatives.install",
        "name, link, path, priority",
        "Keep a path as one that a name may stand for.",
        install,
    ),
    StateFunction::new(
        "alternatives.remove",
        "name, path",
        "Keep a path from being one that a name may stand for.",
        remove,
    ),
    StateFunction::new(
        "alternatives.set",
        "name, path",
        "Keep a name standing for a path.",
        set,
    ),
];

fn install(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, link) = (args.text("name")?, args.text("link")?);
    let (path, priority) = (args.text("path")?, args.text("priority")?);
    let what = |done: Return| {
        let mut done = done;
        for key in ["link", "path", "priority"] {
            done.others.insert(key.to_owned(), args.value(key).clone());
        }
        done
    };
    if exists(env.env, &name, &path)? {
        let comment = format!("Alternative {path} for {name} is already registered");
        return Ok(what(returned(true, comment)));
    }
    if env.is_test {
        let comment =
            format!("Alternative will be set for {name} to {path} with priority {priority}");
        return Ok(what(returned(None, comment)));
    }
    let said = alternatives::changed(env.env, &["--install", &link, &name, &path, &priority])?;
    if !exists(env.env, &name, &path)? {
        let comment = format!("Alternative for {name} not installed: {said}");
        return Ok(what(returned(false, comment)));
    }
    let comment = if current(&name).as_ref() == Some(&path) {
        format!("Setting alternative for {name} to {path} with priority {priority}")
    } else {
        format!(
            "Alternative {path} for {name} registered with priority {priority} and not set to default"
        )
    };
    let changes =
        json!({"name": name, "link": link, "path": path, "priority": args.value("priority")});
    Ok(what(changed(true, comment, changes)))
}

fn remove(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, path) = (args.text("name")?, args.text("path")?);
    if !exists(env.env, &name, &path)? {
        return Ok(match current(&name) {
            Some(current) => returned(
                true,
                format!("Alternative for {name} is set to it's default path {current}"),
            ),
            None => returned(false, format!("Alternative for {name} doesn't exist")),
        });
    }
    if env.is_test {
        return Ok(returned(
            None,
            format!("Alternative for {name} will be removed"),
        ));
    }
    alternatives::changed(env.env, &["--remove", &name, &path])?;
    Ok(match current(&name) {
        Some(current) => {
            let comment = format!("Alternative for {name} removed. Falling back to path {current}");
            changed(true, comment, json!({"path": current}))
        }
        None => returned(true, format!("Alternative for {name} removed")),
    })
}

fn auto(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    let shown = display(env.env, &name)?;
    if shown
        .lines()
        .next()
        .is_some_and(|line| line.ends_with(" auto mode"))
    {
        return Ok(returned(true, format!("{name} already in auto mode")));
    }
    if env.is_test {
        return Ok(returned(None, format!("{name} will be put in auto mode")));
    }
    let said = alternatives::changed(env.env, &["--auto", &name])?;
    Ok(changed(true, "", json!({"result": said})))
}

fn set(args: &Args, env: &StateEnv) -> StateAnswer {
    let (name, path) = (args.text("name")?, args.text("path")?);
    if current(&name).as_ref() == Some(&path) {
        return Ok(returned(
            true,
            format!("Alternative for {name} already set to {path}"),
        ));
    }
    if !exists(env.env, &name, &path)? {
        return Ok(returned(
            false,
            format!("Alternative {path} for {name} doesn't exist"),
        ));
    }
    if env.is_test {
        let comment = format!("Alternative for {name} will be set to path {path}");
        return Ok(returned(None, comment));
    }
    alternatives::changed(env.env, &["--set", &name, &path])?;
    Ok(match current(&name) {
        Some(now) if now == path => {
            let comment = format!("Alternative for {name} set to path {now}");
            changed(true, comment, json!({"path": now}))
        }
        _ => returned(true, format!("Alternative for {name} not updated")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::alternatives::tests::fake;
    use crate::testing::{Host, checked};
    use serde_json::Value;

    #[test]
    fn names_stand_for_paths() {
        let host = Host::new();
        let _root = host.lend_root();
        if !fake(&host) {
            return;
        }
        let (one, two, link) = (
            host.write("one", ""),
            host.write("two", ""),
            host.path("link"),
        );
        let check =
            |fun: &str, args: Value, is_test: bool, result: Option<bool>, comment: String| {
                Value::Object(checked(host.state(fun, args, is_test), result, comment).changes)
            };
        let args = json!({"name": "thing", "link": link, "path": one, "priority": 5});
        let comment = format!("Alternative will be set for thing to {one} with priority 5");
        check("alternatives.install", args.clone(), true, None, comment);
        let comment = format!("Setting alternative for thing to {one} with priority 5");
        let changes = check(
            "alternatives.install",
            args.clone(),
            false,
            Some(true),
            comment,
        );
        assert_eq!(changes, args);
        let comment = format!("Alternative {one} for thing is already registered");
        check("alternatives.install", args, false, Some(true), comment);
        let args = json!({"name": "thing", "link": link, "path": two, "priority": 3});
        let comment = format!(
            "Alternative {two} for thing registered with priority 3 and not set to default"
        );
        check("alternatives.install", args, false, Some(true), comment);
        let args = json!({"name": "thing", "path": two});
        let comment = format!("Alternative for thing will be set to path {two}");
        check("alternatives.set", args.clone(), true, None, comment);
        let comment = format!("Alternative for thing set to path {two}");
        check("alternatives.set", args.clone(), false, Some(true), comment);
        let name = json!({"name": "thing"});
        check(
            "alternatives.auto",
            name.clone(),
            true,
            None,
            "thing will be put in auto mode".to_owned(),
        );
        check(
            "alternatives.auto",
            name.clone(),
            false,
            Some(true),
            String::new(),
        );
        check(
            "alternatives.auto",
            name,
            false,
            Some(true),
            "thing already in auto mode".to_owned(),
        );
        let comment = format!("Alternative for thing removed. Falling back to path {one}");
        check(
            "alternatives.remove",
            args.clone(),
            false,
            Some(true),
            comment,
        );
        let comment = format!("Alternative for thing is set to it's default path {one}");
        check("alternatives.remove", args, false, Some(true), comment);
        let missing = json!({"name": "none", "path": "/x"});
        check(
            "alternatives.remove",
            missing,
            false,
            Some(false),
            "Alternative for none doesn't exist".to_owned(),
        );
    }
}
