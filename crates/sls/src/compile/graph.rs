//! What waits for what: a directed graph of calls, with the kind of requisite on each edge.

use std::collections::{HashMap, HashSet};

use indexmap::{IndexMap, IndexSet};
use serde_json::{Value, json};

use super::EDGES_MAX;
use super::chunk::Chunk;

/// A kind of requisite. Where several decide about the order, the later one of this list does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Requisite {
    /// All of the others failed.
    Onfail,
    /// One of the others failed.
    OnfailAny,
    /// Each of the others failed.
    OnfailAll,
    /// The others succeeded.
    Require,
    /// One of the others succeeded.
    RequireAny,
    /// One of the others changed something.
    Onchanges,
    /// One of the others changed something.
    OnchangesAny,
    /// The others succeeded; a change of one makes this one run its `mod_watch`.
    Watch,
    /// One of the others succeeded; a change makes this one run its `mod_watch`.
    WatchAny,
    /// The other would change something, and runs afterwards.
    Prereq,
}

impl Requisite {
    /// Those that are read from chunks, in the order in which that happens.
    pub(super) const READ: [Requisite; 10] = [
        Requisite::Require,
        Requisite::RequireAny,
        Requisite::Watch,
        Requisite::WatchAny,
        Requisite::Prereq,
        Requisite::Onfail,
        Requisite::OnfailAny,
        Requisite::OnfailAll,
        Requisite::Onchanges,
        Requisite::OnchangesAny,
    ];

    /// The word in state files.
    pub const fn word(self) -> &'static str {
        match self {
            Requisite::Onfail => "onfail",
            Requisite::OnfailAny => "onfail_any",
            Requisite::OnfailAll => "onfail_all",
            Requisite::Require => "require",
            Requisite::RequireAny => "require_any",
            Requisite::Onchanges => "onchanges",
            Requisite::OnchangesAny => "onchanges_any",
            Requisite::Watch => "watch",
            Requisite::WatchAny => "watch_any",
            Requisite::Prereq => "prereq",
        }
    }

    /// The requisite without its `_any` or `_all`.
    pub(super) const fn base(self) -> Requisite {
        match self {
            Requisite::OnfailAny | Requisite::OnfailAll => Requisite::Onfail,
            Requisite::RequireAny => Requisite::Require,
            Requisite::OnchangesAny => Requisite::Onchanges,
            Requisite::WatchAny => Requisite::Watch,
            other => other,
        }
    }

    /// Whether one of the others is enough.
    pub(super) const fn is_any(self) -> bool {
        matches!(
            self,
            Requisite::Onfail
                | Requisite::OnfailAny
                | Requisite::RequireAny
                | Requisite::OnchangesAny
                | Requisite::WatchAny
        )
    }
}

/// What a node stands for.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// The call of a chunk, by index.
    Chunk(usize),
    /// Calls that are made as one: their nodes.
    Group(Vec<usize>),
}

type Edges = IndexMap<usize, IndexSet<Requisite>>;

/// A call.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) tag: String,
    pub(super) what: What,
    pub(super) may_aggregate: bool,
    pub(super) group: Option<usize>,
    /// Who waits for it.
    pub(super) out: Edges,
    /// What it waits for.
    pub(super) into: Edges,
}

/// All calls and their edges.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    by_tag: HashMap<String, usize>,
    /// Nodes by state, and name or id; under the state `id` by name or id alone.
    by_name: IndexMap<(String, String), IndexSet<usize>>,
    by_sls: IndexMap<String, IndexSet<usize>>,
    edges: usize,
}

impl Graph {
    /// The number of the node of a tag.
    pub(super) fn node(&self, tag: &str) -> Option<usize> {
        self.by_tag.get(tag).copied()
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.edges > EDGES_MAX
    }

    /// Adds the call of a chunk. A chunk with the tag of an earlier one takes its place.
    pub(super) fn add_chunk(&mut self, index: usize, chunk: &Chunk, may_aggregate: bool) {
        let node = self.add_node(chunk.tag(), What::Chunk(index));
        self.nodes[node].what = What::Chunk(index);
        self.nodes[node].may_aggregate = may_aggregate;
        let (state, name, id) = (chunk.state(), chunk.name(), chunk.id());
        for key in [
            (state.clone(), name.clone()),
            (state, id.clone()),
            ("id".to_owned(), id),
            ("id".to_owned(), name),
        ] {
            self.by_name.entry(key).or_default().insert(node);
        }
        let included_from = chunk
            .0
            .get("__sls_included_from__")
            .and_then(Value::as_array);
        let included_from = included_from
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let sls = chunk.sls();
        for sls in included_from
            .chain(Some(&*sls))
            .filter(|sls| !sls.is_empty())
        {
            self.by_sls.entry(sls.to_owned()).or_default().insert(node);
        }
    }

    pub(super) fn add_node(&mut self, tag: String, what: What) -> usize {
        if let Some(node) = self.node(&tag) {
            return node;
        }
        let node = self.nodes.len();
        self.by_tag.insert(tag.clone(), node);
        self.nodes.push(Node {
            tag,
            what,
            may_aggregate: false,
            group: None,
            out: Edges::new(),
            into: Edges::new(),
        });
        node
    }

    /// `to` waits for `from`.
    pub(super) fn add_edge(&mut self, from: usize, to: usize, requisite: Requisite) {
        if self.nodes[from]
            .out
            .entry(to)
            .or_default()
            .insert(requisite)
        {
            self.edges += 1;
        }
        self.nodes[to]
            .into
            .entry(from)
            .or_default()
            .insert(requisite);
    }

    /// Gives `to` the edges of `from`.
    pub(super) fn copy_edges(&mut self, from: usize, to: usize) {
        let Node { into, out, .. } = self.nodes[from].clone();
        for (other, requisites) in into {
            for requisite in requisites {
                self.add_edge(other, to, requisite);
            }
        }
        for (other, requisites) in out {
            for requisite in requisites {
                self.add_edge(to, other, requisite);
            }
        }
    }

    /// The nodes that a requisite means, by state and name or id, or by SLS; each may be a glob. None when there is none.
    pub(super) fn meant(&self, state: &str, name: &str) -> Option<Vec<usize>> {
        let is_glob = name.contains(['*', '?', '[', ']']);
        let glob = targeting::Glob::new(name);
        let of = |nodes: &IndexSet<usize>| nodes.iter().copied().collect::<Vec<usize>>();
        match (state, is_glob) {
            // A glob over SLS may fit none.
            ("sls", true) => {
                let fitting = self.by_sls.iter().filter(|(sls, _)| glob.matches(sls));
                Some(fitting.flat_map(|(_, nodes)| of(nodes)).collect())
            }
            ("sls", false) => self.by_sls.get(name).map(of),
            (_, true) => {
                let fitting = self
                    .by_name
                    .iter()
                    .filter(|((other, name), _)| other == state && glob.matches(name));
                let nodes: Vec<usize> = fitting.flat_map(|(_, nodes)| of(nodes)).collect();
                (!nodes.is_empty()).then_some(nodes)
            }
            (_, false) => self
                .by_name
                .get(&(state.to_owned(), name.to_owned()))
                .map(of),
        }
    }

    /// Makes a chunk wait for some nodes.
    pub(super) fn add_requisites(
        &mut self,
        chunks: &mut [Chunk],
        chunk: usize,
        requisite: Requisite,
        on: &[usize],
    ) {
        // A second chunk of the same tag speaks for the node as well.
        let Some(node) = self.node(&chunks[chunk].tag()) else {
            return;
        };
        let question = chunks[chunk]
            .is_prereq()
            .then(|| self.node(&question_tag(&self.nodes[node].tag)))
            .flatten();
        for on in on {
            if requisite == Requisite::Prereq {
                self.add_prereq(chunks, node, *on);
                continue;
            }
            if let Some(question) = question {
                self.add_edge(*on, question, requisite);
            }
            self.add_edge(*on, node, requisite);
        }
    }

    /// Makes `node` wait for what `on` would change: a node of its own asks that, before `node`, and `on` itself comes after it.
    fn add_prereq(&mut self, chunks: &mut [Chunk], node: usize, on: usize) {
        let (What::Chunk(asker), What::Chunk(asked)) =
            (&self.nodes[node].what, &self.nodes[on].what)
        else {
            return;
        };
        let (asker, asked) = (*asker, *asked);
        chunks[asker]
            .0
            .insert("__prerequiring__".to_owned(), json!(true));
        chunks[asked].0.insert("__prereq__".to_owned(), json!(true));
        let tag = question_tag(&self.nodes[on].tag);
        let question = match self.node(&tag) {
            Some(question) => question,
            None => {
                let question = self.add_node(tag, What::Chunk(asked));
                for (from, requisites) in self.nodes[on].into.clone() {
                    for requisite in requisites
                        .into_iter()
                        .filter(|one| *one != Requisite::Prereq)
                    {
                        self.add_edge(from, question, requisite);
                    }
                }
                question
            }
        };
        self.add_edge(question, node, Requisite::Prereq);
        self.add_edge(node, on, Requisite::Require);
        // When somebody asks `node` as well, the answer depends on this one.
        if let Some(outer) = self.node(&question_tag(&self.nodes[node].tag)) {
            self.add_edge(question, outer, Requisite::Prereq);
        }
    }

    /// What a chunk waits for, as indices of chunks.
    pub(super) fn waits_for(&self, chunk: &Chunk) -> Vec<(Requisite, usize)> {
        let tag = chunk.tag();
        let tag = if chunk.is_prereq() {
            question_tag(&tag)
        } else {
            tag
        };
        let Some(node) = self.node(&tag) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (from, requisites) in &self.nodes[node].into {
            for requisite in requisites {
                for chunk in self.chunks_of(*from) {
                    found.push((*requisite, chunk));
                }
            }
        }
        found
    }

    /// The chunks whose calls may be made as one with this one's, itself included; empty when there are none.
    pub(super) fn group_of(&self, chunk: &Chunk) -> Vec<usize> {
        let group = self
            .node(&chunk.tag())
            .and_then(|node| self.nodes[node].group);
        group.map(|group| self.chunks_of(group)).unwrap_or_default()
    }

    fn chunks_of(&self, node: usize) -> Vec<usize> {
        match &self.nodes[node].what {
            What::Chunk(chunk) => vec![*chunk],
            What::Group(nodes) => nodes
                .iter()
                .flat_map(|node| self.chunks_of(*node))
                .collect(),
        }
    }

    /// Whether `to` waits for `from`, also by others.
    pub(super) fn has_path(&self, from: usize, to: usize) -> bool {
        let mut seen = HashSet::new();
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            if node == to {
                return true;
            }
            if seen.insert(node) {
                open.extend(self.nodes[node].out.keys());
            }
        }
        false
    }

    /// The first cycle that a walk finds: edges `(from, to, kind)`, each beginning where the one before ends. Empty when there is none.
    pub(super) fn cycle(&self) -> Vec<(usize, usize, Requisite)> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Closed,
        }
        let mut marks = vec![Mark::New; self.nodes.len()];
        for start in 0..self.nodes.len() {
            if marks[start] != Mark::New {
                continue;
            }
            // Each node of the walk, with how many of its neighbours were visited.
            let mut walk = vec![(start, 0)];
            marks[start] = Mark::Open;
            while let Some((node, visited)) = walk.last_mut() {
                let from = *node;
                let Some((to, _)) = self.nodes[from].out.get_index(*visited) else {
                    marks[from] = Mark::Closed;
                    walk.pop();
                    continue;
                };
                *visited += 1;
                let to = *to;
                match marks[to] {
                    Mark::Closed => {}
                    Mark::New => {
                        marks[to] = Mark::Open;
                        walk.push((to, 0));
                    }
                    Mark::Open => {
                        let begin = walk.iter().position(|(node, _)| *node == to).unwrap_or(0);
                        let nodes: Vec<usize> = walk[begin..]
                            .iter()
                            .map(|(node, _)| *node)
                            .chain(Some(to))
                            .collect();
                        return nodes
                            .windows(2)
                            .map(|edge| (edge[0], edge[1], self.kind(edge[0], edge[1])))
                            .collect();
                    }
                }
            }
        }
        Vec::new()
    }

    fn kind(&self, from: usize, to: usize) -> Requisite {
        let kinds = self.nodes[from].out.get(&to);
        kinds
            .and_then(|kinds| kinds.first())
            .copied()
            .unwrap_or(Requisite::Require)
    }
}

/// The tag of the node that asks a chunk what it would change.
fn question_tag(tag: &str) -> String {
    format!("{tag}_|-__prereq_test__")
}
