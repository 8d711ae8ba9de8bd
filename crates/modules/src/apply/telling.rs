//! Events of a state run, as its states and the configuration want them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sls::compile::{Chunk, Run, event_tag};

use crate::python;
use crate::registry::Env;

/// Events of one run, as its states and the configuration want them.
pub(super) struct Telling<'a> {
    env: &'a Env<'a>,
    jid: &'a str,
    states: usize,
    /// `state_events`.
    of_all: bool,
    /// `fire_event` by the states' tags.
    wanted: BTreeMap<String, Value>,
}

impl<'a> Telling<'a> {
    /// None when no event can come of the run: nothing asks for any, or there is no job whose hubs would hear them.
    pub(super) fn new(env: &'a Env<'a>, run: &Run) -> Option<Telling<'a>> {
        let jid = env.ctx.jid()?;
        let wish = |chunk: &Chunk| {
            let wish = chunk.0.get("fire_event")?;
            python::truthy(wish).then(|| (chunk.tag(), wish.clone()))
        };
        let wanted: BTreeMap<_, _> = run.chunks().iter().filter_map(wish).collect();
        let setting = env.ctx.config("state_events").unwrap_or_default();
        let of_all = python::truthy(&setting);
        (of_all || !wanted.is_empty()).then_some(Telling {
            env,
            jid,
            states: run.len(),
            of_all,
            wanted,
        })
    }

    pub(super) fn ended(&self, tag: &str, record: &Map<String, Value>) {
        let wish = self.wanted.get(tag);
        if wish.is_none() && !self.of_all {
            return;
        }
        let (jid, id) = (self.jid, self.env.ctx.minion_id());
        let event = event_tag(wish, jid, id, record);
        if !self.env.ctx.is_read_below(&event) {
            return;
        }
        let mut data = json!({ "ret": record });
        if event.starts_with("salt/job/") {
            data["len"] = self.states.into();
        }
        if let Err(error) = self.env.ctx.fire(&event, &data) {
            tracing::warn!(event, "no event: {error}");
        }
    }
}
