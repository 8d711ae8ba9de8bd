//! `salt.wait_for_event`: goes on when each of some ids was seen in an event.

use std::time::Duration;

use serde_json::{Map, Value, json};
use sls::compile::Return;
use targeting::Glob;

use crate::{Deed, State, returned};

/// Longest wait that a state may ask for, in seconds: thirty days, as long as a job is kept for minions at most.
const SECONDS_MAX: f64 = 30.0 * 86_400.0;

/// What is waited for.
#[derive(Debug)]
pub struct Waiting {
    glob: String,
    tags: Glob,
    event_id: String,
    left: Vec<Value>,
    seen: Vec<Value>,
    /// How long.
    pub limit: Duration,
}

pub(crate) fn wait(state: &State<'_>) -> Result<Deed, String> {
    let name = state.name();
    if state.is_test {
        let comment = format!("Orchestration would wait for event '{name}'");
        return Ok(Deed::None(returned(None, comment)));
    }
    if state.value("node") != &json!("master") {
        return Err("node: a hub waits for the events of its own bus, so write master".to_owned());
    }
    let seconds = match state.value("timeout") {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    };
    let seconds = seconds
        .filter(|seconds: &f64| (0.0..=SECONDS_MAX).contains(seconds))
        .ok_or_else(|| format!("timeout has to be seconds, up to {SECONDS_MAX}"))?;
    let left = match state.value("id_list") {
        Value::Array(ids) => ids.clone(),
        Value::Null => Vec::new(),
        single => vec![single.clone()],
    };
    Ok(Deed::Wait(Waiting {
        tags: Glob::new(&name),
        glob: name,
        event_id: data::python::text(state.value("event_id")),
        left,
        seen: Vec::new(),
        limit: Duration::from_secs_f64(seconds),
    }))
}

impl Waiting {
    /// The glob over tags of events that count.
    pub fn glob(&self) -> &str {
        &self.glob
    }

    /// Hears an event: its tag and its data.
    pub fn hear(&mut self, tag: &str, data: &Value) {
        if !self.tags.matches(tag) {
            return;
        }
        let inner = || data.get("data").and_then(|data| data.get(&self.event_id));
        let found = data.get(&self.event_id).filter(|found| !found.is_null());
        let Some(found) = found.or_else(inner) else {
            return;
        };
        let is_named = |id: &Value| match found {
            Value::Array(several) => several.contains(id),
            one => one == id,
        };
        let (seen, left) = std::mem::take(&mut self.left)
            .into_iter()
            .partition(is_named);
        self.left = left;
        self.seen.extend::<Vec<Value>>(seen);
    }

    /// Whether all were seen.
    pub fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// The return after so long; `missed` events could not be heard.
    pub fn returned(self, waited: Duration, missed: u64) -> Return {
        let mut comment = if self.is_over() {
            format!("All events seen in {} seconds.", waited.as_secs_f64())
        } else {
            "Timeout value reached.".to_owned()
        };
        if !self.is_over() && missed > 0 {
            comment.push_str(&format!(
                " {missed} events were missed: there were too many for this hub."
            ));
        }
        let is_over = self.is_over();
        let seen = (!self.seen.is_empty()).then_some(("minions_seen".to_owned(), json!(self.seen)));
        Return {
            changes: Map::from_iter(seen),
            ..returned(is_over, comment)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sls::compile::Chunk;

    fn read(more: Value) -> Result<Waiting, String> {
        let mut said = json!({"state": "salt", "fun": "wait_for_event", "name": "salt/minion/*/start", "__id__": "x"});
        let fields = said.as_object_mut().unwrap();
        fields.extend(more.as_object().cloned().unwrap());
        match crate::deed(&Chunk(fields.clone()), false, false)? {
            Deed::Wait(waiting) => Ok(waiting),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ids_are_seen_wherever_they_stand() {
        let mut waiting = read(json!({"id_list": ["a", "b", "c", "d"]})).unwrap();
        assert_eq!(waiting.limit, Duration::from_secs(300));
        waiting.hear("salt/minion/a/start", &json!({"id": "a"}));
        waiting.hear("salt/minion/a/start", &json!({"id": "a"}));
        waiting.hear("salt/job/1/new", &json!({"id": "b"}));
        waiting.hear("salt/minion/b/start", &json!({"data": {"id": "b"}}));
        waiting.hear("salt/minion/x/start", &json!({"other": "c"}));
        assert!(!waiting.is_over());
        waiting.hear("salt/minion/c/start", &json!({"id": ["c", "d", "e"]}));
        assert!(waiting.is_over());
        let told = waiting.returned(Duration::from_millis(1500), 3);
        assert_eq!(told.result, Some(true));
        assert_eq!(told.comment, "All events seen in 1.5 seconds.");
        assert_eq!(told.changes["minions_seen"], json!(["a", "b", "c", "d"]));
    }

    #[test]
    fn what_does_not_come_is_a_failure() {
        let mut waiting =
            read(json!({"id_list": ["a", "b"], "event_id": "n", "timeout": 2})).unwrap();
        waiting.hear("salt/minion/a/start", &json!({"id": "b", "n": "a"}));
        let told = waiting.returned(Duration::from_secs(2), 0);
        assert_eq!(told.result, Some(false));
        assert_eq!(told.comment, "Timeout value reached.");
        assert_eq!(told.changes["minions_seen"], json!(["a"]));
        assert!(read(json!({"id_list": [], "node": "minion"})).is_err());
        assert!(read(json!({"id_list": [], "timeout": -1})).is_err());
    }
}
