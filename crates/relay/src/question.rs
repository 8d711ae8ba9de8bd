//! Questions about minions of this very hub that the machine can't answer, since what decides is no fact of the roster: whether
//! their pillar is as a target wants it, and what rules of the site say of an order from above. The shell answers, and until it
//! has nobody passes for named.

use std::sync::Arc;

use targeting::{Target, Verdict};
use wire::{Jid, JobOrder, ReasonCode};

use crate::LinkId;
use crate::dispatch::target_of;
use crate::exchange::HubOutput;
use crate::hub::{Hub, Timer};
use crate::job::{Job, Origin};
use crate::node::{Node, NodeFacts};
use crate::planted::{self, Bug};
use crate::state::{Source, State};

/// What the shell found out about one minion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The job is for it.
    Meant,
    /// The job is not for it.
    NotMeant,
    /// Nobody can say, for a reason.
    Undecided(String),
    /// The job is for it, and the site does not let it run there, for a reason.
    Refused(String),
}

impl Hub {
    /// Whether the shell has to be asked about a minion of this hub's own, for which the roster gives this verdict.
    pub(crate) fn is_in_question(
        &self,
        job: &Job,
        node: &Node,
        target: &Target,
        verdict: Verdict,
    ) -> bool {
        self.needs_shell(job.origin == Origin::Above, node, target, verdict)
    }

    /// The same of any order, given here or above.
    pub(crate) fn needs_shell(
        &self,
        is_from_above: bool,
        node: &Node,
        target: &Target,
        verdict: Verdict,
    ) -> bool {
        match verdict {
            Verdict::No => false,
            Verdict::Yes => self.config.judges && is_from_above,
            // Without grains there is no pillar.
            Verdict::Unknown => node.grains.is_some() && target.needs_pillar(),
        }
    }

    /// Asks the shell about minions that wait for an answer. Who is in question when the job's time to start is over stays
    /// undecided; hubs above, which give up a little later, hear so before.
    pub(crate) fn ask(&mut self, jid: Jid) {
        let asking = self.jobs.get(&jid).filter(|job| !job.asked.is_empty());
        let Some((who, order)) = asking.and_then(|job| Some((&job.asked, job.order.as_ref()?)))
        else {
            return;
        };
        self.timers.set(Timer::Asked(jid), order.start_by);
        let who = who.clone();
        self.outputs.push_back(HubOutput::Ask { jid, who });
    }

    /// After a restart: who has no place in the account, and may yet get one, is asked about again.
    pub(crate) fn ask_again(&self, job: &mut Job, order: &JobOrder) {
        if planted::is(Bug::RestartForgetsQuestions) || job.origin == Origin::Below {
            return;
        }
        let Ok(target) = target_of(order) else {
            return;
        };
        let own = self.roster.nodes();
        for node in own.filter(|n| n.is_own_minion() && order.scope.contains(&n.path)) {
            let verdict = target.matches(&NodeFacts::of(node));
            let is_open = job.claim_of(node.index, Source::Own).is_none();
            if is_open && self.is_in_question(job, node, &target, verdict) {
                job.asked.insert(node.index);
            }
        }
    }

    /// The shell answers about some of the minions that it was asked about.
    pub(crate) fn answered(&mut self, jid: Jid, mut answers: Vec<(u32, Answer)>) {
        let Some(job) = self.jobs.get_mut(&jid) else {
            return self.inquiry_answered(jid, answers);
        };
        answers.retain(|(index, _)| job.asked.remove(*index));
        let job = &self.jobs[&jid];
        let (mut links, mut claims) = (Vec::new(), Vec::new());
        for (index, answer) in answers {
            // Who has left meanwhile was not named, and is not.
            let Some(node) = self.roster.node(index).filter(|n| n.is_own_minion()) else {
                continue;
            };
            let state = match answer {
                Answer::NotMeant => continue,
                Answer::Undecided(text) => State::Undecided(self.reason(ReasonCode::Refused, text)),
                Answer::Refused(text) => State::Refused(self.reason(ReasonCode::Refused, text)),
                Answer::Meant => self.named_late(job, node, &mut links),
            };
            claims.push((index, state));
        }
        for (index, state) in claims {
            self.claim(jid, index, Source::Own, state);
        }
        self.all_answered(jid);
        self.hand_on(jid, links);
    }

    /// How a minion stands that turns out to be meant. It may be late for that.
    fn named_late(&self, job: &Job, node: &Node, links: &mut Vec<LinkId>) -> State {
        let is_there = |halt: &&wire::Halt| halt.site.as_ref().is_none_or(|s| *s == node.path);
        match job.halts.iter().find(is_there) {
            Some(halt) if !planted::is(Bug::QueuesHalted) => {
                State::Refused(Arc::new(halt.reason.clone()))
            }
            _ => self.named(job, node, links),
        }
    }

    /// The job's time is over.
    pub(crate) fn end_questions(&mut self, jid: Jid) {
        let Some(job) = self.jobs.get(&jid).filter(|job| !job.asked.is_empty()) else {
            return;
        };
        let text = "it was not decided about within the job's time: its hub makes pillars, or judges the order";
        let late = job.asked.iter();
        let late = late.map(|index| (index, Answer::Undecided(text.to_owned())));
        let late = late.collect();
        self.answered(jid, late);
    }

    /// With the last answer everyone here is named.
    fn all_answered(&mut self, jid: Jid) {
        if let Some(job) = self.jobs.get_mut(&jid).filter(|job| job.asked.is_empty()) {
            job.named_own();
            self.timers.clear(Timer::Asked(jid));
            self.unsaved.insert(jid);
            self.reopen(jid);
        }
    }
}
