//! The shell's part in targets by pillar and in the rules of sites: what a minion's pillar says, and what its site forbids it,
//! follows from its key. Both take a while.

use relay::{Answer, HubInput};
use wire::{IndexSet, Jid};

use crate::node::Machine;
use crate::orders::Target;
use crate::rng::hash;
use crate::shape::Spec;
use crate::world::{Event, World};

/// The role in a minion's pillar; None where the pillar can't be made.
pub fn role(spec: &Spec) -> Option<&'static str> {
    match hash(&spec.peer.uid.0) % 5 {
        0..=2 => Some("web"),
        3 => Some("db"),
        _ => None,
    }
}

/// Whether the site of a minion lets no order from above on it.
pub fn forbids(spec: &Spec) -> bool {
    hash(&spec.peer.uid.0) % 11 == 5
}

impl World {
    /// A hub asks whom a job means by pillar, or may mean by the rules of its site: the answers come in parts, some of them late.
    pub(crate) fn answer(&mut self, at: usize, jid: Jid, who: &IndexSet) {
        let Some(job) = self.model.jobs.get(&jid) else {
            return;
        };
        let is_above = job.origin != at;
        let wanted = match &job.target {
            Target::Role(wanted) => Some(*wanted),
            _ => None,
        };
        assert!(
            is_above || wanted.is_some(),
            "{at} asks what it knows of {jid}"
        );
        let mut parts: [Vec<(u32, Answer)>; 3] = Default::default();
        for index in who.iter() {
            let node = match &self.nodes[at].machine {
                Machine::Hub(hub) => hub.node(index),
                _ => None,
            };
            let Some(uid) = node.map(|node| node.uid()) else {
                panic!("{at} asks for the pillar of nobody");
            };
            let spec = self.nodes.iter().find(|n| n.spec.peer.uid == uid);
            let Some(spec) = spec.map(|node| &node.spec) else {
                panic!("{at} asks about nobody");
            };
            let answer = match (wanted, role(spec)) {
                (Some(_), None) => Answer::Undecided("its pillar can't be made".to_owned()),
                (Some(wanted), Some(role)) if role != wanted => Answer::NotMeant,
                _ if is_above && forbids(spec) => {
                    Answer::Refused("its site does not let it".to_owned())
                }
                _ => Answer::Meant,
            };
            let part = self.nodes[at].rng.below(3) as usize;
            parts[part].push((index, answer));
        }
        let run = self.nodes[at].run;
        for answers in parts.into_iter().filter(|part| !part.is_empty()) {
            let rng = &mut self.nodes[at].rng;
            let delay = match rng.below(20) {
                0 => rng.below(60_000),
                _ => rng.below(500),
            };
            let input = HubInput::Answered { jid, answers };
            let node = at;
            self.schedule(delay, Event::Answered { node, run, input });
        }
    }
}
