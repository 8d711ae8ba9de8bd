//! `listen`: at the end, states run their `mod_watch` when what they listen to changed.

use indexmap::IndexSet;
use serde_json::{Value, json};

use super::super::keywords::REQUISITES;
use super::*;

/// A state that listens, by state and id or name, to another one.
struct Listener {
    state: String,
    who: String,
    to_state: String,
    to: String,
}

impl Run {
    /// Adds the calls of `mod_watch` that are due, and notes each listener to or by nobody.
    pub(super) fn add_listeners(&mut self) {
        // As Salt matches them: the id, the name, or the state's own word.
        let mut known: HashMap<(String, String), IndexSet<usize>> = HashMap::new();
        for index in &self.order {
            let chunk = &self.chunks[*index];
            for word in [chunk.state(), chunk.id(), chunk.name()] {
                known
                    .entry((chunk.state(), word))
                    .or_default()
                    .insert(*index);
            }
        }
        let fitting = |state: &str, word: &str| {
            let fitting = known.get(&(state.to_owned(), word.to_owned()));
            fitting.cloned().unwrap_or_default()
        };
        let mut due: IndexSet<usize> = IndexSet::new();
        let mut faults: IndexMap<String, (String, String)> = IndexMap::new();
        for Listener {
            state,
            who,
            to_state,
            to,
        } in self.listeners()
        {
            let heard = fitting(&to_state, &to);
            if heard.is_empty() {
                faults.insert(listen_tag(&to_state, &to), (to_state, to));
                continue;
            }
            for index in heard {
                let record = self
                    .records
                    .get(&self.chunks[index].tag())
                    .and_then(Value::as_object);
                if !record.is_some_and(record::has_changes) {
                    continue;
                }
                let listening = fitting(&state, &who);
                if listening.is_empty() {
                    faults.insert(listen_tag(&state, &who), (state.clone(), who.clone()));
                }
                due.extend(listening);
            }
        }
        self.order.clear();
        self.at = 0;
        for index in due {
            self.add_listener(index);
        }
        self.listen_faults = faults;
    }

    /// Who listens to whom, in the order of the chunks.
    fn listeners(&self) -> Vec<Listener> {
        let mut found = Vec::new();
        for index in &self.order {
            let chunk = &self.chunks[*index];
            for (to_state, to) in self.ends(chunk, "listen") {
                found.push(Listener {
                    state: chunk.state(),
                    who: chunk.id(),
                    to_state,
                    to,
                });
            }
            for (state, who) in self.ends(chunk, "listen_in") {
                found.push(Listener {
                    state,
                    who,
                    to_state: chunk.state(),
                    to: chunk.id(),
                });
            }
        }
        found
    }

    /// The states and names that an argument lists. A plain id or name means the last chunk of that id or name.
    fn ends(&self, chunk: &Chunk, key: &str) -> Vec<(String, String)> {
        let mut ends = Vec::new();
        for item in chunk
            .0
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            match item {
                Value::Object(map) => ends.extend(
                    map.iter()
                        .map(|(state, name)| (state.clone(), super::super::value::text(name))),
                ),
                Value::String(plain) => {
                    let named = |index: &&usize| {
                        [self.chunks[**index].id(), self.chunks[**index].name()].contains(plain)
                    };
                    let chunk = self
                        .order
                        .iter()
                        .rev()
                        .find(named)
                        .map(|index| &self.chunks[*index]);
                    ends.extend(chunk.map(|chunk| (chunk.state(), chunk.id())));
                }
                _ => {}
            }
        }
        ends
    }

    fn add_listener(&mut self, index: usize) {
        let mut chunk = self.chunks[index].clone();
        let id = format!("listener_{}", chunk.id());
        let map = &mut chunk.0;
        let function = map.insert("fun".to_owned(), json!("mod_watch"));
        map.insert("sfun".to_owned(), function.unwrap_or(Value::Null));
        map.insert("__id__".to_owned(), json!(id));
        // Nobody asks beforehand what it would change.
        map.shift_remove("__prereq__");
        for requisite in REQUISITES {
            map.shift_remove(*requisite);
        }
        let index = self.chunks.len();
        self.graph.add_chunk(index, &chunk, false);
        self.chunks.push(chunk);
        self.order.push(index);
    }

    /// Records a failure for each listener to or by nobody.
    pub(super) fn record_listen_faults(&mut self, start_time: &str) {
        for (tag, (state, name)) in std::mem::take(&mut self.listen_faults) {
            let number = self.take_number();
            // Nobody's failure: it belongs to no SLS and no id.
            let record = json!({
                "name": format!("listen_{state}:{name}"),
                "changes": {},
                "result": false,
                "comment": format!("Referenced state {state}: {name} does not exist"),
                "__run_num__": number,
                "start_time": start_time,
                "duration": 0.0,
            });
            if let Value::Object(record) = record {
                self.keep(tag, record);
            }
        }
    }
}

fn listen_tag(state: &str, name: &str) -> String {
    format!("Listen_Error_|-listen_{name}_|-listen_{state}_|-Listen_Error")
}
