//! Inquiries: how an order would fare, asked of each hub on the way that the order itself would take. Nothing runs and nothing is
//! kept on disk; of whom nothing is heard in time, that is the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use targeting::Verdict;
use wire::limits::{MAX_FINDINGS, MAX_REASON};
use wire::{
    Down, Finding, IndexSet, Jid, JobEnvelope, JobOrder, Stance, Uid, UnixMillis, Up, Warrant,
};

use crate::LinkId;
use crate::bounds;
use crate::dispatch::target_of;
use crate::exchange::HubOutput;
use crate::hub::{Hub, Timer};
use crate::node::NodeFacts;
use crate::question::Answer;
use crate::rollout::PROTOCOL_TERMS;

/// Inquiries at once, at most: each holds a set of minions for some seconds.
const INQUIRIES_MAX: usize = 64;
/// How long the answer of the whole tree may take, in milliseconds; each hub gives those below it a fifth less.
const INQUIRY_MS: u32 = 10_000;

/// One that is under way.
#[derive(Debug)]
pub struct Inquiry {
    /// The order that nobody is to run.
    pub order: Arc<JobOrder>,
    /// As it travels.
    pub envelope: JobEnvelope,
    /// What is said of who asked; nobody has looked at the signature.
    pub warrant: Option<Warrant>,
    /// Parents that want to know; None: the shell of this hub.
    askers: BTreeSet<Option<LinkId>>,
    within_ms: u32,
    /// Minions of this hub's own about which the shell has yet to say.
    asked: IndexSet,
    /// Hubs that have yet to answer.
    below: BTreeMap<LinkId, Uid>,
    found: BTreeMap<(Stance, String), IndexSet>,
}

impl Inquiry {
    fn note(&mut self, index: u32, stance: Stance, reason: &str) {
        let key = (stance, reason.to_owned());
        self.found.entry(key).or_default().insert(index);
    }

    /// What was found out: each minion once, by what counts most, and not more findings than may travel.
    fn findings(self) -> Vec<Finding> {
        let mut seen = IndexSet::new();
        let mut findings = Vec::new();
        for ((stance, reason), mut who) in self.found {
            who.subtract(&seen);
            if !who.is_empty() {
                seen.extend(&who);
                findings.push(Finding {
                    stance,
                    reason,
                    who,
                });
            }
        }
        fold(findings)
    }
}

/// Folds reasons that are too many: those of the fewest minions become one of their kind.
fn fold(mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.len() <= MAX_FINDINGS {
        return findings;
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.who.len()));
    let mut others: BTreeMap<Stance, IndexSet> = BTreeMap::new();
    // Room for one of each kind.
    for finding in findings.drain(MAX_FINDINGS - 5..) {
        others
            .entry(finding.stance)
            .or_default()
            .extend(&finding.who);
    }
    let others = others.into_iter().map(|(stance, who)| Finding {
        stance,
        reason: match stance {
            Stance::Let => String::new(),
            _ => "for other reasons".to_owned(),
        },
        who,
    });
    findings.extend(others);
    findings
}

impl Hub {
    /// An inquiry that is under way.
    pub fn inquiry(&self, jid: Jid) -> Option<&Inquiry> {
        self.inquiries.get(&jid)
    }

    /// A parent wants to know.
    pub(crate) fn inquired_above(
        &mut self,
        link: LinkId,
        envelope: JobEnvelope,
        warrant: Option<Warrant>,
        within_ms: u32,
    ) {
        match wire::codec::decode::<JobOrder>(&envelope.order) {
            Ok(order) => self.inquire(
                envelope,
                Arc::new(order),
                warrant.filter(Warrant::is_bounded),
                Some(link),
                within_ms.min(INQUIRY_MS),
            ),
            Err(error) => {
                self.refused += 1;
                let text = format!("a parent sent an inquiry that does not decode: {error}");
                self.outputs.push_back(HubOutput::Alarm(text));
            }
        }
    }

    /// The shell of this hub wants to know.
    pub(crate) fn inquired_here(
        &mut self,
        envelope: JobEnvelope,
        order: Arc<JobOrder>,
        warrant: Option<Warrant>,
    ) {
        self.inquire(envelope, order, warrant, None, INQUIRY_MS);
    }

    fn inquire(
        &mut self,
        envelope: JobEnvelope,
        order: Arc<JobOrder>,
        warrant: Option<Warrant>,
        asker: Option<LinkId>,
        within_ms: u32,
    ) {
        let jid = order.jid;
        if let Some(open) = self.inquiries.get_mut(&jid) {
            // By another way.
            open.askers.insert(asker);
            return;
        }
        let mut inquiry = Inquiry {
            order: order.clone(),
            envelope: envelope.clone(),
            warrant: warrant.clone(),
            askers: [asker].into(),
            within_ms,
            asked: IndexSet::new(),
            below: BTreeMap::new(),
            found: BTreeMap::new(),
        };
        // One that does not parse means nobody, as for an order.
        if let Ok(target) = target_of(&order) {
            if self.inquiries.len() >= INQUIRIES_MAX {
                let text = format!(
                    "hub {} has {INQUIRIES_MAX} inquiries open: ask again later",
                    self.config.id
                );
                for (node, _) in self.meant(&target, &order.scope) {
                    inquiry.note(node.index(), Stance::NotAsked, &text);
                }
            } else {
                self.inquire_own(&mut inquiry, &target);
                self.inquire_below(&mut inquiry, &target);
            }
        }
        let (links, who): (Vec<LinkId>, IndexSet) = (
            inquiry.below.keys().copied().collect(),
            inquiry.asked.clone(),
        );
        self.inquiries.insert(jid, inquiry);
        let ends = self.now.saturating_add(UnixMillis::from(within_ms));
        self.timers.set(Timer::Inquiry(jid), ends);
        if !links.is_empty() {
            let message = Down::Inquire {
                envelope,
                warrant: warrant.map(Box::new),
                within_ms: within_ms / 5 * 4,
            };
            self.outputs
                .push_back(HubOutput::ToChildren { links, message });
        }
        if !who.is_empty() {
            self.outputs.push_back(HubOutput::Ask { jid, who });
        }
        self.end_inquiry(jid);
    }

    /// Minions of this hub's own: what the roster decides, and whom the shell has to judge.
    fn inquire_own(&self, inquiry: &mut Inquiry, target: &targeting::Target) {
        let is_from_above = inquiry.askers.iter().any(Option::is_some);
        let scope = inquiry.order.scope.clone();
        let own = self.roster.nodes();
        for node in own.filter(|n| n.is_own_minion() && scope.contains(&n.path)) {
            let verdict = target.matches(&NodeFacts::of(node));
            if self.needs_shell(is_from_above, node, target, verdict) {
                inquiry.asked.insert(node.index);
                continue;
            }
            match verdict {
                Verdict::No => {}
                Verdict::Yes => inquiry.note(node.index, Stance::Let, ""),
                Verdict::Unknown => inquiry.note(
                    node.index,
                    Stance::Undecided,
                    "its grains were never heard by its hub",
                ),
            }
        }
    }

    fn inquire_below(&self, inquiry: &mut Inquiry, target: &targeting::Target) {
        let order = inquiry.order.clone();
        for (hub, node) in self.hubs_meant(&order, target) {
            match self.child_links.get(&hub) {
                Some(link) if self.speaks(*link, PROTOCOL_TERMS) => {
                    inquiry.below.insert(*link, hub);
                }
                Some(_) => {
                    let text = format!(
                        "hub {} runs {}, which knows no inquiries",
                        node.id, node.software
                    );
                    self.note_mirrored(inquiry, target, hub, &text);
                }
                None => {
                    let text = self.cut_reason(node).text.clone();
                    self.note_mirrored(inquiry, target, hub, &text);
                }
            }
        }
    }

    /// Nothing is heard of the minions behind a hub, but they are known.
    fn note_mirrored(
        &self,
        inquiry: &mut Inquiry,
        target: &targeting::Target,
        hub: Uid,
        text: &str,
    ) {
        let order = inquiry.order.clone();
        for node in self.mirrored(&order, hub) {
            if target.matches(&NodeFacts::of(node)) != Verdict::No {
                inquiry.note(node.index, Stance::NotAsked, text);
            }
        }
    }

    /// The shell says how minions of this hub's own would fare.
    pub(crate) fn inquiry_answered(&mut self, jid: Jid, answers: Vec<(u32, Answer)>) {
        let Some(inquiry) = self.inquiries.get_mut(&jid) else {
            return;
        };
        for (index, answer) in answers {
            if !inquiry.asked.remove(index) {
                continue;
            }
            let (stance, reason) = match answer {
                Answer::Meant => (Stance::Let, String::new()),
                Answer::NotMeant => (Stance::NotMeant, String::new()),
                Answer::Undecided(text) => (Stance::Undecided, text),
                Answer::Refused(text) => (Stance::Refused, text),
            };
            inquiry.note(index, stance, &bounds::cut(reason, MAX_REASON));
        }
        self.end_inquiry(jid);
    }

    /// A hub below has answered, for its minions alone: others have no number in its roster.
    pub(crate) fn inquired_below(&mut self, link: LinkId, hub: Uid, jid: Jid, told: Vec<Finding>) {
        let ours = self.roster.numbers_of(hub);
        let Some(inquiry) = self.inquiries.get_mut(&jid) else {
            return;
        };
        if inquiry.below.remove(&link).is_none() {
            return;
        }
        for finding in told {
            let reason = bounds::cut(finding.reason, MAX_REASON);
            let who: IndexSet = finding.who.iter().filter_map(ours).collect();
            let key = (finding.stance, reason);
            inquiry.found.entry(key).or_default().extend(&who);
        }
        self.end_inquiry(jid);
    }

    /// A hub below is gone before it answered.
    pub(crate) fn inquiries_cut(&mut self, link: LinkId, hub: Uid) {
        let Some(node) = self.roster.by_uid(hub) else {
            return;
        };
        let text = self.cut_reason(node).text.clone();
        let jids: Vec<Jid> = self.inquiries.keys().copied().collect();
        for jid in jids {
            self.unanswered(jid, link, &text);
            self.end_inquiry(jid);
        }
    }

    /// A hub below will not answer.
    fn unanswered(&mut self, jid: Jid, link: LinkId, text: &str) {
        let Some(mut inquiry) = self.inquiries.remove(&jid) else {
            return;
        };
        if let (Some(hub), Ok(target)) = (inquiry.below.remove(&link), target_of(&inquiry.order)) {
            self.note_mirrored(&mut inquiry, &target, hub, text);
        }
        self.inquiries.insert(jid, inquiry);
    }

    /// A parent is gone: nobody waits for what it asked.
    pub(crate) fn inquirer_gone(&mut self, link: LinkId) {
        self.inquiries.retain(|jid, inquiry| {
            inquiry.askers.remove(&Some(link));
            if inquiry.askers.is_empty() {
                self.timers.clear(Timer::Inquiry(*jid));
            }
            !inquiry.askers.is_empty()
        });
    }

    /// The time for answers is over.
    pub(crate) fn inquiry_late(&mut self, jid: Jid) {
        let Some(inquiry) = self.inquiries.get_mut(&jid) else {
            return;
        };
        let asked = std::mem::take(&mut inquiry.asked);
        for index in asked.iter() {
            inquiry.note(index, Stance::Undecided, "its hub did not decide in time");
        }
        let within = inquiry.within_ms;
        for (link, hub) in inquiry.below.clone() {
            let name = self.roster.by_uid(hub).map(|node| node.id.to_string());
            let text = format!(
                "hub {} did not answer within {} s",
                name.unwrap_or_default(),
                within.div_ceil(1_000)
            );
            self.unanswered(jid, link, &text);
        }
        self.end_inquiry(jid);
    }

    /// With the last answer those who asked hear it.
    fn end_inquiry(&mut self, jid: Jid) {
        let open = self.inquiries.get(&jid);
        if open.is_none_or(|open| !open.asked.is_empty() || !open.below.is_empty()) {
            return;
        }
        let Some(inquiry) = self.inquiries.remove(&jid) else {
            return;
        };
        self.timers.clear(Timer::Inquiry(jid));
        let askers = inquiry.askers.clone();
        let findings = inquiry.findings();
        for asker in askers {
            let findings = findings.clone();
            self.outputs.push_back(match asker {
                None => HubOutput::Inquired { jid, findings },
                Some(link) => HubOutput::ToParent {
                    link,
                    message: Up::Inquired { jid, findings },
                },
            });
        }
    }
}
