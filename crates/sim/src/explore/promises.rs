//! The promises, checked at each step and at the end of a run.

use wire::{Down, PlanRecord, codec};

use super::Explorer;
use super::state::State;
use crate::disk::Saved;
use crate::world::{DAWN, must};

impl Explorer {
    /// P3: a turn is on a hub's disk before anybody below hears of it.
    pub(super) fn check_said(&self, state: &State, at: usize, bytes: &[u8]) -> Result<(), String> {
        let disk = &self.hub_disks[state.nodes[at].disk as usize];
        let job = disk.jobs.get(&self.signed.order.jid);
        let released = |is_it: &dyn Fn(&wire::Release) -> bool| {
            let entries = job.iter().flat_map(|job| &job.plan);
            entries
                .filter_map(|entry| match entry {
                    PlanRecord::Released(release) => Some(release),
                    _ => None,
                })
                .any(is_it)
        };
        let is_saved = match must(codec::decode::<Down>(bytes)) {
            Down::Job(_) | Down::Assign { .. } | Down::Warranted { .. } => job.is_some(),
            Down::Turn { until, .. } => released(&|release| release.until == until),
            Down::Release { release, .. } => released(&|known| known.round == release.round),
            _ => true,
        };
        match is_saved {
            true => Ok(()),
            false => Err(format!("P3: {at} gives a turn that is not on its disk")),
        }
    }

    /// P4: whoever begins has its turn now, and not more than the budget are at work.
    pub(super) fn check_run(&self, state: &State, at: usize) -> Result<(), String> {
        let order = &self.signed.order;
        let shows = state.now - self.behind(at);
        if shows > order.start_by {
            return Err(format!("P2: {at} runs after the job's time"));
        }
        let Some(budget) = self.bounds.budget else {
            return Ok(());
        };
        let top = &self.hub_disks[state.nodes[0].disk as usize];
        let numbers = top.numbers(self.bounds.shape.nodes[at].peer.uid);
        let plan = top.jobs.get(&order.jid).map_or(&[][..], |job| &job.plan);
        let has_turn = plan.iter().any(|entry| match entry {
            PlanRecord::Released(release) => {
                shows <= release.until && numbers.iter().any(|i| release.who.contains(*i))
            }
            _ => false,
        });
        if !has_turn {
            return Err(format!("P4: {at} runs out of its turn"));
        }
        let at_work = state.nodes.iter().filter(|n| n.runs.is_some()).count();
        match at_work > budget as usize {
            true => Err(format!("P4: {at_work} are at work, the budget is {budget}")),
            false => Ok(()),
        }
    }

    /// P1 to P5 at the end of a run: a job that was acknowledged is finished, and its account is what happened.
    pub(super) fn check_end(&self, state: &State) -> Result<(), String> {
        let jid = self.signed.order.jid;
        let top = &self.hub_disks[state.nodes[0].disk as usize];
        let Some(job) = top.jobs.get(&jid) else {
            return match state.is_accepted {
                true => Err("P3: the job is lost".to_owned()),
                false => Ok(()),
            };
        };
        if job.state.as_ref().is_none_or(|s| s.finished.is_none()) {
            return Err(format!("P2: the job is not finished: {:?}", job.rows));
        }
        let is_calm = state.deaths == 0 && state.cuts == 0 && state.faulty_until == DAWN;
        let ended = job.state.as_ref().and_then(|state| state.finished);
        if is_calm && ended.is_some_and(|at| at > DAWN) {
            return Err(format!("P6: the job ended late: {:?}", job.rows));
        }
        for (at, spec) in self.bounds.shape.nodes.iter().enumerate() {
            if self.is_hub(at) {
                continue;
            }
            let row = top.row(jid, spec.peer.uid);
            let Some(row) = row else {
                return Err(format!("P2: {at} is silently absent"));
            };
            let ret = self.result(at);
            let leaf = &self.leaf_disks[state.nodes[at].disk as usize];
            match row {
                Saved::Returned { retcode, value } => {
                    if state.nodes[at].started == 0
                        || (*retcode, value) != (ret.retcode, &ret.value)
                    {
                        return Err(format!("P4: {at} did not return {row:?}"));
                    }
                }
                Saved::Other(_) if leaf.kept(jid).is_some() => {
                    return Err(format!("P5: {at} has returned, its row is {row:?}"));
                }
                Saved::Other(_)
                    if is_calm && !state.is_halted && !self.bounds.down.contains(&at) =>
                {
                    return Err(format!("P5: {at} was there and had no turn: {row:?}"));
                }
                Saved::Other(_) => {}
            }
            if leaf.unsettled().next().is_some() {
                return Err(format!("P5: {at} still keeps its return"));
            }
        }
        Ok(())
    }
}
