//! `event`: events between the states of a run.

use serde_json::{Map, Value};

use super::{Args, StateAnswer, StateEnv, StateFunction, returned};
use crate::call::Call;
use crate::python;

const SEND: &str = "name, data=None, preload=None, with_env=False, with_grains=False, with_pillar=False, show_changed=True, **kwargs";

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new("event.fire_master", SEND, "The same as event.send.", send),
    StateFunction::new(
        "event.mod_watch",
        SEND,
        "Send the event of event.wait when what it watches has changed.",
        send,
    ),
    StateFunction::new(
        "event.send",
        SEND,
        "Send an event to the hubs above; its tag is the name. show_changed: the event counts as a change.",
        send,
    ),
    StateFunction::new(
        "event.wait",
        "name, sfun=None, data=None",
        "Send an event only when something that the state watches has changed.",
        |_, _| Ok(returned(true, "")),
    ),
];

fn send(args: &Args, env: &StateEnv) -> StateAnswer {
    let tag = args.text("name")?;
    let data = args.value("data");
    let mut answer = returned(false, "Event fired");
    if args.flag("show_changed") {
        answer.changes = Map::from_iter([
            ("tag".to_owned(), tag.as_str().into()),
            ("data".to_owned(), data.clone()),
        ]);
    }
    if env.is_test {
        answer.result = None;
        answer.comment = "Event would have been fired".to_owned();
        return Ok(answer);
    }
    let mut kwargs = args.extra_kwargs.clone();
    kwargs.retain(|key, _| !matches!(key.as_str(), "sfun" | "__reqs__"));
    for name in ["data", "with_env", "with_grains", "with_pillar"] {
        kwargs.insert(name.to_owned(), args.value(name).clone());
    }
    let sent = env.call(&Call {
        fun: "event.send".to_owned(),
        args: vec![Value::String(tag)],
        kwargs,
    })?;
    answer.result = Some(python::truthy(&sent));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Host, checked};
    use serde_json::json;

    #[test]
    fn an_event_is_sent_with_its_data() {
        let host = Host::new();
        let args = json!({"name": "a/b", "data": {"x": 1}, "y": 2});
        let would = host.state("event.send", args.clone(), true);
        let would = checked(would, None, "Event would have been fired");
        assert!(host.fired.lock().unwrap().is_empty());
        let done = checked(
            host.state("event.send", args, false),
            Some(true),
            "Event fired",
        );
        assert_eq!(would.changes, done.changes);
        assert_eq!(
            Value::Object(done.changes),
            json!({"tag": "a/b", "data": {"x": 1}})
        );
        let expected = ("a/b".to_owned(), json!({"x": 1, "y": 2}));
        assert_eq!(*host.fired.lock().unwrap(), [expected]);

        let quiet = json!({"name": "a", "show_changed": false});
        let done = checked(
            host.state("event.mod_watch", quiet, false),
            Some(true),
            "Event fired",
        );
        assert!(done.changes.is_empty());
        checked(
            host.state("event.wait", json!({"name": "a"}), false),
            Some(true),
            "",
        );
        assert_eq!(host.fired.lock().unwrap().len(), 2);
    }
}
