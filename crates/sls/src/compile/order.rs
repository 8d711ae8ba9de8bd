//! The order of low chunks: requisites first, then `order`, then the order of definition.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::EDGES_MAX;
use super::chunk::Chunk;
use super::graph::{Graph, Requisite, What};
use super::low::Low;
use super::source::Functions;
use super::value::{first, list_mut};

/// What `order: last` adds to the largest order that is written.
const LAST: i64 = 1_000_000;

/// What the default order lies above the largest one that is written.
const ABOVE_WRITTEN: i64 = 100;

/// Most calls that are made as one.
const GROUP_MAX: usize = 500;

/// Orders the chunks of `low`; returns what is wrong with their requisites.
pub(super) fn order(low: &mut Low, disabled: &[String], functions: &dyn Functions) -> Vec<String> {
    let mut errors = Vec::new();
    let mut cap = 1;
    for index in 0..low.chunks.len() {
        watch_or_require(&mut low.chunks[index], functions);
        if let Err(error) = add_requisites(low, index, disabled) {
            errors.push(error);
        } else if let Some(order) = low.chunks[index].0.get("order").and_then(Value::as_i64)
            && order > 0
            && order > cap - 1
        {
            cap = order.saturating_add(ABOVE_WRITTEN);
        }
        if low.graph.is_too_large() {
            errors.push(format!(
                "there are more than {EDGES_MAX} requisites between states"
            ));
            return errors;
        }
    }
    match sorted(low, cap) {
        Some(order) => low.order = order,
        None => errors.push(recursion(low)),
    }
    errors
}

/// A state without `mod_watch` cannot watch: it requires.
fn watch_or_require(chunk: &mut Chunk, functions: &dyn Functions) {
    for (watch, require) in [("watch", "require"), ("watch_any", "require_any")] {
        if chunk.0.contains_key(watch)
            && !functions.has(&format!("{}.mod_watch", chunk.state()))
            && let Some(watched) = chunk.0.shift_remove(watch)
            && let Some(required) = list_mut(&mut chunk.0, require)
            && let Value::Array(watched) = watched
        {
            required.extend(watched);
        }
    }
}

/// Reads the requisites of one chunk into the graph; stops at the first that is wrong.
fn add_requisites(low: &mut Low, index: usize, disabled: &[String]) -> Result<(), String> {
    for requisite in Requisite::READ {
        let word = requisite.word();
        let Some(items) = low.chunks[index].0.get(word).cloned() else {
            continue;
        };
        if disabled.iter().any(|other| other == word) {
            continue;
        }
        let place = |chunk: &Chunk| format!("in state [{}] in SLS [{}]", chunk.name(), chunk.sls());
        let Value::Array(items) = items else {
            return Err(format!(
                "The {word} statement {} needs to be formed as a list",
                place(&low.chunks[index])
            ));
        };
        for item in &items {
            let (state, name) = match item {
                Value::String(_) => ("id", Some(item.clone())),
                Value::Object(map) => match first(map) {
                    // Of `state.function` the state counts.
                    Some((state, name)) => {
                        (state.split('.').next().unwrap_or(state), Some(name.clone()))
                    }
                    None => continue,
                },
                _ => ("id", Some(item.clone())),
            };
            let name = match name {
                None | Some(Value::Null) => continue,
                Some(Value::String(name)) => name,
                Some(_) => {
                    return Err(format!(
                        "Requisite [{word}: {state}] {} must have a string as the value",
                        place(&low.chunks[index])
                    ));
                }
            };
            let Some(nodes) = low.graph.meant(state, &name) else {
                return Err(format!(
                    "Referenced state does not exist for requisite [{word}: ({state}: {name})] {}",
                    place(&low.chunks[index])
                ));
            };
            low.graph
                .add_requisites(&mut low.chunks, index, requisite, &nodes);
        }
    }
    Ok(())
}

/// The chunks in their order, by node; none when requisites go in a circle. Calls that may be made as one are grouped.
fn sorted(low: &mut Low, cap: i64) -> Option<Vec<usize>> {
    let count = low.graph.nodes.len();
    let mut waiting: Vec<usize> = low
        .graph
        .nodes
        .iter()
        .map(|node| node.into.values().map(|kinds| kinds.len()).sum())
        .collect();
    let mut ready = BinaryHeap::new();
    for node in (0..count).filter(|node| waiting[*node] == 0) {
        ready.push(Reverse(Key::of(low, node, cap)));
    }
    let mut groups = Groups::default();
    let mut done = Vec::with_capacity(count);
    while let Some(Reverse(Key { node, .. })) = ready.pop() {
        done.push(node);
        groups.add(low, node);
        for (to, kinds) in low.graph.nodes[node].out.clone() {
            // Nodes of groups were made while sorting, and wait for nothing here.
            let Some(left) = waiting.get_mut(to) else {
                continue;
            };
            *left = left.saturating_sub(kinds.len());
            if *left == 0 {
                ready.push(Reverse(Key::of(low, to, cap)));
            }
        }
    }
    let chunk = |node: &usize| match low.graph.nodes[*node].what {
        What::Chunk(chunk) => Some(chunk),
        What::Group(_) => None,
    };
    (done.len() == count).then(|| done.iter().filter_map(chunk).collect())
}

/// Where a call stands among those that could run now.
struct Key {
    order: f64,
    own_order: f64,
    label: String,
    tag: String,
    node: usize,
}

impl Key {
    /// Also writes the number that Salt writes into the chunk's `order`.
    fn of(low: &mut Low, node: usize, cap: i64) -> Key {
        let What::Chunk(index) = low.graph.nodes[node].what else {
            // Groups are made later and have no key.
            return Key {
                order: f64::INFINITY,
                own_order: f64::INFINITY,
                label: String::new(),
                tag: low.graph.nodes[node].tag.clone(),
                node,
            };
        };
        let own_order = settle(&mut low.chunks[index], cap);
        let soonest = soonest_after(&low.graph, &mut low.chunks, node, cap);
        let chunk = &low.chunks[index];
        Key {
            order: own_order.min(soonest),
            own_order,
            label: format!("{}{}{}", chunk.state(), chunk.name(), chunk.fun()),
            tag: low.graph.nodes[node].tag.clone(),
            node,
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        self.order
            .total_cmp(&other.order)
            .then_with(|| self.own_order.total_cmp(&other.own_order))
            .then_with(|| self.label.cmp(&other.label))
            .then_with(|| self.tag.cmp(&other.tag))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

/// The number of a chunk: words become numbers, names of one state are told apart, negative ones count from the end.
fn settle(chunk: &mut Chunk, cap: i64) -> f64 {
    let mut order = numbered(chunk, cap);
    if let Some(number) = chunk
        .0
        .shift_remove("name_order")
        .and_then(|number| number.as_f64())
    {
        order = json!(order.as_f64().unwrap_or_default() + number / 10_000.0);
    }
    let shift = cap.saturating_add(LAST);
    if order.as_f64().is_some_and(|order| order < 0.0) {
        order = match order.as_i64() {
            Some(order) => json!(order.saturating_add(shift)),
            None => json!(order.as_f64().unwrap_or_default() + shift as f64),
        };
    }
    let value = order.as_f64().unwrap_or_default();
    chunk.0.insert("order".to_owned(), order);
    value
}

/// The `order` of a chunk as a number, which is written into it.
fn numbered(chunk: &mut Chunk, cap: i64) -> Value {
    let order = match chunk.0.get("order") {
        Some(Value::Number(order)) => return Value::Number(order.clone()),
        Some(Value::String(word)) if word == "last" => cap.saturating_add(LAST),
        Some(Value::String(word)) if word == "first" => 0,
        _ => cap,
    };
    chunk.0.insert("order".to_owned(), json!(order));
    json!(order)
}

/// The soonest order of those that wait for a node, by the strongest kind of requisite: a state comes before what it is for.
fn soonest_after(graph: &Graph, chunks: &mut [Chunk], node: usize, cap: i64) -> f64 {
    let mut strongest = None;
    let mut soonest = f64::INFINITY;
    for (to, kinds) in &graph.nodes[node].out {
        let What::Chunk(index) = graph.nodes[*to].what else {
            continue;
        };
        for kind in kinds {
            if strongest <= Some(*kind) {
                strongest = Some(*kind);
                soonest = soonest.min(
                    numbered(&mut chunks[index], cap)
                        .as_f64()
                        .unwrap_or(f64::INFINITY),
                );
            }
        }
    }
    soonest
}

/// Calls that may be made as one, by state.
#[derive(Default)]
struct Groups(IndexMap<String, Vec<Vec<usize>>>);

impl Groups {
    /// Puts a call into the first group of its state in which it waits for none of the others. Calls come in their order.
    fn add(&mut self, low: &mut Low, node: usize) {
        let What::Chunk(index) = low.graph.nodes[node].what else {
            return;
        };
        if !low.graph.nodes[node].may_aggregate {
            return;
        }
        let state = low.chunks[index].state();
        let groups = self.0.entry(state.clone()).or_default();
        for (number, group) in groups
            .iter_mut()
            .enumerate()
            .filter(|(_, group)| group.len() < GROUP_MAX)
        {
            let first = group[0];
            if low
                .graph
                .has_path(low.graph.nodes[first].group.unwrap_or(first), node)
            {
                continue;
            }
            let whole = match low.graph.nodes[first].group {
                Some(whole) => whole,
                None => {
                    let whole = low.graph.add_node(
                        format!("__aggregate_{state}_{number}__"),
                        What::Group(group.clone()),
                    );
                    low.graph.copy_edges(first, whole);
                    low.graph.nodes[first].group = Some(whole);
                    whole
                }
            };
            low.graph.copy_edges(node, whole);
            low.graph.nodes[node].group = Some(whole);
            group.push(node);
            low.graph.nodes[whole].what = What::Group(group.clone());
            return;
        }
        groups.push(vec![node]);
    }
}

/// The error for requisites that go in a circle, with the circle.
fn recursion(low: &Low) -> String {
    let place = |node: usize| match &low.graph.nodes[node].what {
        What::Chunk(index) => {
            let chunk = &low.chunks[*index];
            let name = if chunk.id() == chunk.name() {
                String::new()
            } else {
                format!(", 'NAME': '{}'", chunk.name())
            };
            format!("{{'SLS': '{}', 'ID': '{}'{name}}}", chunk.sls(), chunk.id())
        }
        What::Group(_) => low.graph.nodes[node].tag.clone(),
    };
    let edge = |(from, to, kind): (usize, usize, Requisite)| {
        let is_written = match &low.graph.nodes[to].what {
            What::Chunk(index) => low.chunks[*index].0.contains_key(kind.word()),
            What::Group(_) => true,
        };
        // A prereq makes the other wait in turn, which nobody wrote.
        let kind = if kind == Requisite::Require && !is_written {
            Requisite::Prereq
        } else {
            kind
        };
        format!("({}, '{}', {})", place(to), kind.word(), place(from))
    };
    let edges: Vec<String> = low.graph.cycle().into_iter().map(edge).collect();
    format!("Recursive requisites were found: {}", edges.join(", "))
}
