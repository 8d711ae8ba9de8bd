//! What may happen next, and what follows when it does.

use wire::record::{JournalRecord, Record};
use wire::{UnixMillis, Up, codec};

use super::machine::{Told, Want, upward};
use super::state::{End, Pipe, State, Step, probe};
use super::{Explorer, RUN_MS};
use crate::disk::Saved;
use crate::world::must;

/// Timers go on firing until so long after the job's time to start, or after it is finished; then the run is over.
const AFTER_MS: u64 = 30_000;
/// The last moment at which a turn may be used; and longer than a lease, with the longest run, its end, and what clocks may
/// differ by.
const LEAPS_MS: [u64; 2] = [120_000, 370_000];
/// One that is over its bound is ended within this time.
const RUN_END_MS: u64 = 30_000;

impl Explorer {
    /// Keeps what may happen in its order: what is new comes last.
    pub(super) fn enqueue(&self, state: &mut State) {
        if self.bounds.delays.is_none() {
            return;
        }
        let can = self.can_happen(state);
        state.queue.retain(|step| can.contains(step));
        let new = can.into_iter().filter(|step| !state.queue.contains(step));
        let new: Vec<Step> = new.collect();
        state.queue.extend(new);
    }

    /// What happens by itself, sooner or later.
    pub(super) fn can_happen(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        for (nth, pipe) in state.pipes.iter().enumerate() {
            for side in 0..2 {
                if pipe.ends[side].is_open && !pipe.ends[side].coming.is_empty() {
                    steps.push(Step::Deliver(nth, side));
                }
            }
        }
        for (at, node) in state.nodes.iter().enumerate() {
            if node.in_flight.is_some() {
                steps.push(Step::Save(at));
            }
            if node.runs.is_some() {
                steps.push(Step::End(at));
            }
            for &parent in &self.bounds.shape.nodes[at].parents {
                let has = |p: &&Pipe| p.child == at && p.parent == parent && p.ends[0].is_open;
                if state.pipes.iter().find(has).is_none() {
                    steps.push(Step::Dial(at, parent));
                }
            }
        }
        if !state.is_submitted {
            steps.push(Step::Submit);
        }
        steps
    }

    /// What may happen next.
    pub(super) fn steps(&self, state: &State) -> Vec<Step> {
        if state.timers > self.bounds.early.into()
            && let Some(probe) = probe(state)
        {
            return vec![probe];
        }
        let mut steps = match self.bounds.delays {
            None => self.can_happen(state),
            Some(most) => {
                let mut steps: Vec<Step> = state.queue.first().copied().into_iter().collect();
                if state.delays < most && state.queue.len() > 1 {
                    steps.push(Step::Delay);
                }
                steps
            }
        };
        let is_early = state.timers < self.bounds.early.into();
        if state.is_submitted && (is_early || steps.is_empty()) {
            let timer = self.next_timer(state);
            let until = state.finished.unwrap_or(self.signed.order.start_by);
            let until = until.max(state.faulty_until) + AFTER_MS;
            let timer = timer.filter(|(due, _)| is_early || *due <= until);
            steps.extend(timer.map(|(_, at)| Step::Timer(at)));
            if is_early {
                let ends = state.nodes.iter().filter_map(|node| node.runs).min();
                let leaps = LEAPS_MS.map(|ms| ms + self.bounds.behind_ms);
                let leaps = leaps
                    .into_iter()
                    .filter(|ms| ends.is_none_or(|end| state.now + ms <= end));
                steps.extend(leaps.map(Step::Leap));
            }
        }
        if self.bounds.halts && state.is_accepted && !state.is_halted {
            steps.push(Step::Halt);
        }
        // Nodes die and links are cut while the job is on its way.
        if !state.is_submitted || state.timers > self.bounds.early.into() {
            return steps;
        }
        if state.deaths < self.bounds.deaths {
            for at in 0..state.nodes.len() {
                steps.push(Step::Die(at, false));
                if state.nodes[at].in_flight.is_some() {
                    steps.push(Step::Die(at, true));
                }
            }
        }
        if state.cuts < self.bounds.cuts {
            let whole = |p: &Pipe| p.ends[0].is_open && p.ends[1].is_open;
            let pipes = (0..state.pipes.len()).filter(|nth| whole(&state.pipes[*nth]));
            steps.extend(pipes.map(Step::Cut));
        }
        steps
    }

    /// The node whose timer is the next one, and when; none while a function has to end before that.
    fn next_timer(&self, state: &State) -> Option<(UnixMillis, usize)> {
        let due = |at: usize| {
            let due = self.locals[state.nodes[at].local as usize].due?;
            Some((state.now.max(due + self.behind(at)), at))
        };
        let first = (0..state.nodes.len()).filter_map(due).min()?;
        let ends = state.nodes.iter().filter_map(|node| node.runs).min();
        ends.is_none_or(|end| first.0 <= end).then_some(first)
    }

    pub(super) fn happen(&mut self, state: &mut State, step: Step) -> Result<(), String> {
        match step {
            Step::Leap(ms) => {
                state.timers += 1;
                state.now += ms;
                state.faulty_until = state.now;
                Ok(())
            }
            Step::Delay => {
                state.delays += 1;
                state.queue.rotate_left(1);
                Ok(())
            }
            Step::Halt => {
                state.is_halted = true;
                self.tell(state, 0, Told::Halt)
            }
            Step::Submit => {
                state.is_submitted = true;
                self.tell(state, 0, Told::Submit)
            }
            Step::Deliver(nth, side) => {
                let pipe = &mut state.pipes[nth];
                let at = if side == 0 { pipe.child } else { pipe.parent };
                let link = pipe.ends[side].link;
                let told = match pipe.ends[side].coming.pop_front().flatten() {
                    Some(bytes) => Told::Heard(link, bytes),
                    None => {
                        pipe.ends[side].is_open = false;
                        Told::Closed(link)
                    }
                };
                state.pipes.retain(|p| p.ends.iter().any(|end| end.is_open));
                self.tell(state, at, told)
            }
            Step::Save(at) => {
                let Some((token, batch)) = state.nodes[at].in_flight.take() else {
                    return Ok(());
                };
                self.write(state, at, batch)?;
                self.tell(state, at, Told::Saved(token))
            }
            Step::End(at) => {
                state.nodes[at].runs = None;
                state.finished = state.finished.map(|_| state.now);
                self.tell(state, at, Told::Finished)
            }
            Step::Dial(child, parent) => {
                let mut ends = [End::default(), End::default()];
                for (end, at) in ends.iter_mut().zip([child, parent]) {
                    end.is_open = true;
                    end.link = state.nodes[at].next_link;
                    state.nodes[at].next_link += 1;
                }
                let links = [ends[0].link, ends[1].link];
                state.pipes.push(Pipe {
                    child,
                    parent,
                    ends,
                });
                self.tell(state, parent, Told::Connected(links[1], child))?;
                self.tell(state, child, Told::Connected(links[0], parent))
            }
            Step::Die(at, is_written) => {
                state.deaths += 1;
                if let Some((_, batch)) = state.nodes[at].in_flight.take()
                    && is_written
                {
                    self.write(state, at, batch)?;
                }
                for pipe in &mut state.pipes {
                    for side in 0..2 {
                        if [pipe.child, pipe.parent][side] == at {
                            pipe.ends[side] = End::default();
                            pipe.ends[1 - side].coming.push_back(None);
                        }
                    }
                }
                state.pipes.retain(|p| p.ends.iter().any(|end| end.is_open));
                let node = &mut state.nodes[at];
                node.next_link = 0;
                node.runs = None;
                let disk = node.disk;
                self.tell(state, at, Told::Boot(disk))
            }
            Step::Cut(nth) => {
                state.cuts += 1;
                for end in &mut state.pipes[nth].ends {
                    end.coming.clear();
                    end.coming.push_back(None);
                }
                Ok(())
            }
            Step::Timer(at) => {
                state.timers += 1;
                state.now = self.next_timer(state).map_or(state.now, |(due, _)| due);
                if state.timers <= self.bounds.early.into() {
                    state.faulty_until = state.now;
                }
                self.tell(state, at, Told::Timeout)
            }
        }
    }

    fn write(&mut self, state: &mut State, at: usize, batch: Vec<u8>) -> Result<(), String> {
        let is_hub = self.is_hub(at);
        let disk = state.nodes[at].disk;
        if !is_hub {
            let records: Vec<JournalRecord> = must(codec::decode(&batch));
            let frees = |r: &JournalRecord| matches!(r, JournalRecord::Settled { .. });
            let keeps = self.leaf_disks[disk as usize]
                .kept(self.signed.order.jid)
                .is_some();
            let uid = self.bounds.shape.nodes[at].peer.uid;
            let top = &self.hub_disks[state.nodes[0].disk as usize];
            let has = matches!(
                top.row(self.signed.order.jid, uid),
                Some(Saved::Returned { .. })
            );
            if keeps && records.iter().any(frees) && !has {
                return Err(format!(
                    "P3: {at} frees its return, and the origin has none"
                ));
            }
        }
        let key = (is_hub, disk, batch);
        let known = self.written.get(&key).copied();
        state.nodes[at].disk = known.unwrap_or_else(|| {
            let number = if is_hub {
                let mut disk = self.hub_disks[disk as usize].clone();
                disk.save(must(codec::decode::<Vec<Record>>(&key.2)));
                self.hub_disks.push(disk);
                self.hub_disks.len() - 1
            } else {
                let mut disk = self.leaf_disks[disk as usize].clone();
                disk.save(must(codec::decode::<Vec<JournalRecord>>(&key.2)));
                self.leaf_disks.push(disk);
                self.leaf_disks.len() - 1
            };
            self.written.insert(key, number as u32);
            number as u32
        });
        Ok(())
    }

    /// Tells a machine something, and does what it wants.
    pub(super) fn tell(&mut self, state: &mut State, at: usize, told: Told) -> Result<(), String> {
        let now = state.now - self.behind(at);
        let node = &state.nodes[at];
        let before = match told {
            Told::Boot(_) => None,
            _ => Some(node.local),
        };
        let key = (at, before, now, told);
        let local = match self.names.get(&key) {
            Some(local) => *local,
            None => {
                let local = self.play(at, before, now, key.3.clone());
                self.locals.push(local);
                let number = self.locals.len() as u32 - 1;
                self.names.insert(key, number);
                number
            }
        };
        state.nodes[at].local = local;
        for want in self.locals[local as usize].wants.clone() {
            self.obey(state, at, want)?;
        }
        Ok(())
    }

    fn obey(&mut self, state: &mut State, at: usize, want: Want) -> Result<(), String> {
        let jid = self.signed.order.jid;
        match want {
            Want::Save(token, batch) => state.nodes[at].in_flight = Some((token, batch)),
            Want::Say(link, bytes) => {
                if self.is_hub(at) && bytes.first() == Some(&1) {
                    self.check_said(state, at, &bytes[1..])?;
                }
                for pipe in &mut state.pipes {
                    for side in 0..2 {
                        let is_mine = [pipe.child, pipe.parent][side] == at
                            && pipe.ends[side].is_open
                            && pipe.ends[side].link == link;
                        // Over a cut nothing comes any more.
                        let is_cut = pipe.ends[1 - side].coming.back() == Some(&None);
                        if is_mine && pipe.ends[1 - side].is_open && !is_cut {
                            pipe.ends[1 - side].coming.push_back(Some(bytes.clone()));
                        }
                    }
                }
            }
            Want::SayKept(link) => {
                let disk = &self.leaf_disks[state.nodes[at].disk as usize];
                if let Some(ret) = disk.kept(jid).cloned() {
                    self.obey(state, at, Want::Say(link, upward(&Up::Return(ret))))?;
                }
            }
            Want::Close(link) => {
                for pipe in &mut state.pipes {
                    for side in 0..2 {
                        let is_mine = [pipe.child, pipe.parent][side] == at
                            && pipe.ends[side].is_open
                            && pipe.ends[side].link == link;
                        if is_mine {
                            for end in &mut pipe.ends {
                                if end.coming.back() != Some(&None) {
                                    end.coming.push_back(None);
                                }
                            }
                        }
                    }
                }
            }
            Want::Accepted => {
                state.is_accepted = true;
                let disk = &self.hub_disks[state.nodes[at].disk as usize];
                if !disk.jobs.contains_key(&jid) {
                    return Err("P3: the job is acknowledged and not on disk".to_owned());
                }
            }
            Want::Finished if at == 0 => state.finished = Some(state.now),
            Want::Finished => {}
            Want::Recall => {
                let disk = state.nodes[at].disk;
                self.tell(state, at, Told::Recalled(disk))?;
            }
            Want::Vouch => self.tell(state, at, Told::Vouched)?,
            Want::Run => {
                let node = &mut state.nodes[at];
                node.started += 1;
                node.runs = Some(state.now + RUN_MS + RUN_END_MS);
                if node.started > 1 {
                    return Err(format!("P4: {at} runs the job again"));
                }
                if !self.leaf_disks[node.disk as usize].has_start(jid) {
                    return Err(format!("P4: {at} runs what its journal does not know"));
                }
                self.check_run(state, at)?;
            }
        }
        Ok(())
    }
}
