//! The shell's part in targets by pillar: what a minion's pillar says follows from its key, and takes a while to make.

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

impl World {
    /// A hub asks whom a job means by pillar: the answers come in parts, some of them late.
    pub(crate) fn make_pillars(&mut self, at: usize, jid: Jid, who: &IndexSet) {
        let Some(job) = self.model.jobs.get(&jid) else {
            return;
        };
        let Target::Role(wanted) = &job.target else {
            panic!("{at} asks for pillars that {jid} has no use for");
        };
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
            let answer = match spec.and_then(|node| role(&node.spec)) {
                Some(role) if role == *wanted => Answer::Meant,
                Some(_) => Answer::NotMeant,
                None => Answer::Undecided("its pillar can't be made".to_owned()),
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
