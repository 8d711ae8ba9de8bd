//! The real machines: each is named by the inputs since its start, and played again when it is not at hand.

use relay::{Hub, HubConfig, HubInput, HubOutput, Leaf, LeafConfig, LeafInput, LeafOutput, LinkId};
use wire::{
    Amount, BatchPlan, Down, Reason, ReasonCode, Return, StopOn, StopRule, StopScope, UnixMillis,
    Up, codec,
};

use super::Explorer;
use crate::orders::{self, Checker};
use crate::world::{DAWN, must};

/// A rollout stops when a minion has failed.
const FIRST_FAILED: StopRule = StopRule {
    on: StopOn::Failed,
    at: Amount::Count(1),
    scope: StopScope::Fleet,
};

/// Something that a machine is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Told {
    /// It starts with this disk.
    Boot(u32),
    Connected(u8, usize),
    Closed(u8),
    Heard(u8, Vec<u8>),
    Saved(u64),
    Submit,
    Halt,
    Finished,
    Timeout,
    /// The job as this disk has it.
    Recalled(u32),
    Vouched,
}

/// What a machine wants.
#[derive(Debug, Clone)]
pub(super) enum Want {
    Save(u64, Vec<u8>),
    Say(u8, Vec<u8>),
    /// The return that the journal has.
    SayKept(u8),
    Close(u8),
    Accepted,
    Finished,
    Run,
    Recall,
    Vouch,
}

/// A machine after some inputs.
pub(super) struct Local {
    pub(super) before: Option<u32>,
    pub(super) told: Told,
    pub(super) now: UnixMillis,
    pub(super) wants: Vec<Want>,
    pub(super) due: Option<UnixMillis>,
}

pub(super) enum Live {
    Hub(Box<Hub>),
    Leaf(Box<Leaf<Checker>>),
}

impl Explorer {
    /// Plays one more input; a machine that is not at hand is made anew by playing all that it was told.
    pub(super) fn play(
        &mut self,
        at: usize,
        before: Option<u32>,
        now: UnixMillis,
        told: Told,
    ) -> Local {
        let mut machine = None;
        let kept = self
            .live
            .remove(&at)
            .filter(|(local, _)| Some(*local) == before);
        if let Some((_, kept)) = kept {
            machine = Some(kept);
        } else {
            let mut inputs = Vec::new();
            let mut from = before;
            while let Some(number) = from {
                let local = &self.locals[number as usize];
                inputs.push((local.now, local.told.clone()));
                from = local.before;
            }
            for (now, told) in inputs.into_iter().rev() {
                self.feed(at, &mut machine, now, told, &mut Vec::new());
            }
        }
        let mut wants = Vec::new();
        self.feed(at, &mut machine, now, told.clone(), &mut wants);
        let due = match &machine {
            Some(Live::Hub(hub)) => hub.poll_timeout(),
            Some(Live::Leaf(leaf)) => leaf.poll_timeout(),
            None => None,
        };
        if let Some(machine) = machine {
            self.live.insert(at, (self.locals.len() as u32, machine));
        }
        Local {
            before,
            told,
            now,
            wants,
            due: due.map(|(at, _)| at),
        }
    }

    fn feed(
        &self,
        at: usize,
        machine: &mut Option<Live>,
        now: UnixMillis,
        told: Told,
        wants: &mut Vec<Want>,
    ) {
        match self.is_hub(at) {
            true => self.feed_hub(at, machine, now, told, wants),
            false => self.feed_leaf(at, machine, now, told, wants),
        }
    }

    fn feed_hub(
        &self,
        at: usize,
        machine: &mut Option<Live>,
        now: UnixMillis,
        told: Told,
        wants: &mut Vec<Want>,
    ) {
        let peers = &self.bounds.shape.nodes;
        let input = match told {
            Told::Boot(disk) => {
                let config = HubConfig {
                    uid: peers[at].peer.uid,
                    id: peers[at].peer.id.clone(),
                    path: peers[at].peer.path.clone(),
                    software: String::new(),
                    fresh_epoch: 1 + at as u64,
                    job_key: None,
                    parents: peers[at].parents.len(),
                    // A save takes one value.
                    save_bytes_max: 1,
                    gather_ms: 0,
                    awaited_max: relay::AWAITED_MAX,
                    adopt_after_ms: 0,
                    judges: false,
                };
                let disk = self.hub_disks[disk as usize].recovered();
                *machine = Some(Live::Hub(Box::new(Hub::new(config, disk, now))));
                HubInput::Signs(at as u8)
            }
            Told::Connected(link, other) => {
                let (link, peer) = (LinkId(link.into()), peers[other].peer.clone());
                match peers[at].parents.contains(&other) {
                    true => HubInput::ParentConnected { link, peer },
                    false => HubInput::ChildConnected { link, peer },
                }
            }
            Told::Closed(link) => {
                let link = LinkId(link.into());
                // The machine knows which kind it was; the other input does nothing.
                if let Some(Live::Hub(hub)) = machine {
                    hub.handle_input(now, HubInput::ParentClosed { link });
                }
                HubInput::ChildClosed { link }
            }
            Told::Heard(link, bytes) => {
                let link = LinkId(link.into());
                match bytes.split_first() {
                    Some((0, up)) => HubInput::ChildMessage {
                        link,
                        message: must(codec::decode(up)),
                    },
                    Some((_, down)) => HubInput::ParentMessage {
                        link,
                        message: must(codec::decode(down)),
                    },
                    None => return,
                }
            }
            Told::Saved(token) => HubInput::Saved { token },
            Told::Submit => HubInput::Submit {
                envelope: self.signed.envelope.clone(),
                order: self.signed.order.clone(),
                hold: self.bounds.hold,
                plan: self.bounds.budget.map(|size| {
                    Box::new(BatchPlan {
                        size: Some(Amount::Count(size)),
                        stops: self
                            .bounds
                            .stops
                            .then_some(FIRST_FAILED)
                            .into_iter()
                            .collect(),
                        ..BatchPlan::default()
                    })
                }),
                warrant: None,
            },
            Told::Timeout => {
                if let Some(Live::Hub(hub)) = machine {
                    hub.handle_timeout(now);
                }
                HubInput::Signs(at as u8)
            }
            Told::Recalled(disk) => {
                let jid = self.signed.order.jid;
                let job = self.hub_disks[disk as usize].jobs.get(&jid);
                let job = job.map(|job| Box::new(job.recovered()));
                HubInput::Recalled { jid, job }
            }
            Told::Vouched => HubInput::Vouched {
                jid: self.signed.order.jid,
                envelope: self.signed.envelope.clone(),
                order: Some(self.signed.order.clone()),
            },
            Told::Halt => HubInput::Halt {
                jid: self.signed.order.jid,
                reason: Reason {
                    code: ReasonCode::Halted,
                    text: "an operator stopped it".to_owned(),
                    since: now,
                },
            },
            Told::Finished => return,
        };
        if let Some(Live::Hub(hub)) = machine {
            hub.handle_input(now, input);
            while let Some(output) = hub.poll_output() {
                want_of_hub(output, wants);
            }
        }
    }

    fn feed_leaf(
        &self,
        at: usize,
        machine: &mut Option<Live>,
        now: UnixMillis,
        told: Told,
        wants: &mut Vec<Want>,
    ) {
        let spec = &self.bounds.shape.nodes[at];
        let input = match told {
            Told::Boot(disk) => {
                let config = LeafConfig {
                    id: spec.peer.id.clone(),
                    path: spec.peer.path.clone(),
                    software: String::new(),
                    spool_bytes_max: 256 << 20,
                };
                let found = self.leaf_disks[disk as usize].recovered();
                let leaf = Leaf::new(config, Checker, orders::grains(spec), found, now);
                *machine = Some(Live::Leaf(Box::new(leaf)));
                LeafInput::Trust(0)
            }
            Told::Connected(link, other) => LeafInput::Connected {
                link: LinkId(link.into()),
                peer: self.bounds.shape.nodes[other].peer.clone(),
            },
            Told::Closed(link) => LeafInput::Closed {
                link: LinkId(link.into()),
            },
            Told::Heard(link, bytes) => LeafInput::Message {
                link: LinkId(link.into()),
                message: must(codec::decode(&bytes[1..])),
            },
            Told::Saved(token) => LeafInput::Saved { token },
            Told::Finished => LeafInput::Finished(self.result(at)),
            Told::Timeout => {
                if let Some(Live::Leaf(leaf)) = machine {
                    leaf.handle_timeout(now);
                }
                LeafInput::Trust(0)
            }
            Told::Submit | Told::Halt | Told::Recalled(_) | Told::Vouched => return,
        };
        if let Some(Live::Leaf(leaf)) = machine {
            leaf.handle_input(now, input);
            while let Some(output) = leaf.poll_output() {
                want_of_leaf(output, wants);
            }
        }
    }

    pub(super) fn result(&self, at: usize) -> Return {
        let uid = self.bounds.shape.nodes[at].peer.uid;
        orders::result(&self.signed.order, uid, DAWN, 1)
    }
}

pub(super) fn upward(message: &Up) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(must(codec::encode(message)));
    bytes
}

fn downward(message: &Down) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend(must(codec::encode(message)));
    bytes
}

fn want_of_hub(output: HubOutput, wants: &mut Vec<Want>) {
    match output {
        HubOutput::Save { token, records } => {
            wants.push(Want::Save(token, must(codec::encode(&records))));
        }
        HubOutput::ToChildren { links, message } => {
            let bytes = downward(&message);
            wants.extend(links.iter().map(|l| Want::Say(l.0 as u8, bytes.clone())));
        }
        HubOutput::ToParent { link, message } => {
            wants.push(Want::Say(link.0 as u8, upward(&message)));
        }
        HubOutput::CloseChild { link, .. } | HubOutput::CloseParent { link, .. } => {
            wants.push(Want::Close(link.0 as u8));
        }
        HubOutput::JobAccepted { .. } => wants.push(Want::Accepted),
        HubOutput::JobFinished { .. } => wants.push(Want::Finished),
        HubOutput::Recall { .. } => wants.push(Want::Recall),
        HubOutput::JobOffered { .. } => wants.push(Want::Vouch),
        _ => {}
    }
}

fn want_of_leaf(output: LeafOutput, wants: &mut Vec<Want>) {
    match output {
        LeafOutput::Save { token, records } => {
            wants.push(Want::Save(token, must(codec::encode(&records))));
        }
        LeafOutput::Send { link, message } => {
            wants.push(Want::Say(link.0 as u8, upward(&message)));
        }
        LeafOutput::SendKept { link, .. } => wants.push(Want::SayKept(link.0 as u8)),
        LeafOutput::Close { link, .. } => wants.push(Want::Close(link.0 as u8)),
        LeafOutput::Start(_) => wants.push(Want::Run),
        LeafOutput::TrustOffered(_) => {}
    }
}
