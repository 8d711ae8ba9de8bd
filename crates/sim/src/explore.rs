//! All runs of a small tree: every order of deliveries, saves, ends of functions, deaths, cuts and the passing of time,
//! within bounds.
//!
//! The machines are the real ones. A machine gives the same outputs for the same inputs, so its state is named by the inputs
//! since its start; each such state is made once, by playing them again, and then looked up. What is left is a graph of
//! small values, which is searched depth first with a set of what was seen.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use relay::{Hub, HubConfig, HubInput, HubOutput, Leaf, LeafConfig, LeafInput, LeafOutput, LinkId};
use wire::record::{JournalRecord, Record};
use wire::{
    Amount, BatchPlan, Down, JidClock, PlanRecord, Reason, ReasonCode, Return, Role, StopOn,
    StopRule, StopScope, UnixMillis, Up, codec,
};

use crate::disk::{HubDisk, LeafDisk, Saved};
use crate::orders::{self, Checker, Signed, Target};
use crate::shape::Shape;
use crate::world::{DAWN, must};

/// A rollout stops when a minion has failed.
const FIRST_FAILED: StopRule = StopRule {
    on: StopOn::Failed,
    at: Amount::Count(1),
    scope: StopScope::Fleet,
};

/// Timers go on firing until so long after the job's time to start, or after it is finished; then the run is over.
const AFTER_MS: u64 = 30_000;
/// The last moment at which a turn may be used; and longer than a lease, with the longest run, its end, and what clocks may
/// differ by.
const LEAPS_MS: [u64; 2] = [120_000, 370_000];
/// A plain job has to start within this time.
const START_WITHIN_MS: u64 = 30_000;
/// One in turns: long enough that two leases run out one after the other.
const TURNS_WITHIN_MS: u64 = 1_500_000;
/// A function of a rollout is over within this time.
const RUN_MS: u64 = 150_000;
/// One that is over its bound is ended within this time.
const RUN_END_MS: u64 = 30_000;

/// What is explored.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The tree.
    pub shape: Shape,
    /// Deaths in one run; the node is back at once.
    pub deaths: u8,
    /// Cuts of links in one run.
    pub cuts: u8,
    /// Times that time passes to the next timer while other things could still happen: a cut that lasts, a slow disk, a
    /// long way. Nodes die and links are cut up to then.
    pub early: u8,
    /// How often something is put off behind all else that could happen now; None: everything happens in every order.
    pub delays: Option<u8>,
    /// The job is kept for minions that are down.
    pub hold: bool,
    /// It is rolled out in turns, so many at once.
    pub budget: Option<u32>,
    /// The rollout stops at the first minion that fails.
    pub stops: bool,
    /// An operator stops it, at any moment.
    pub halts: bool,
    /// Minions that are not connected when the job is submitted, by their places.
    pub down: Vec<usize>,
    /// Minions' clocks are behind the hubs' by so much.
    pub behind_ms: u64,
    /// States after which the search gives up.
    pub states_max: usize,
}

impl Bounds {
    /// A plain job in a tree in which nothing goes wrong.
    pub fn calm(shape: Shape, states_max: usize) -> Bounds {
        Bounds {
            shape,
            deaths: 0,
            cuts: 0,
            early: 0,
            delays: None,
            hold: false,
            budget: None,
            stops: false,
            halts: false,
            down: Vec::new(),
            behind_ms: 0,
            states_max,
        }
    }
}

/// What was explored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explored {
    /// Different states of the whole.
    pub states: usize,
    /// Different states of single machines.
    pub locals: usize,
    /// Ends of runs.
    pub ends: usize,
    /// Nothing was left out.
    pub is_all: bool,
}

/// Something that a machine is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Told {
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
enum Want {
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
struct Local {
    before: Option<u32>,
    told: Told,
    now: UnixMillis,
    wants: Vec<Want>,
    due: Option<UnixMillis>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Node {
    local: u32,
    disk: u32,
    in_flight: Option<(u64, Vec<u8>)>,
    next_link: u8,
    /// Until when the function is over, while it runs.
    runs: Option<UnixMillis>,
    started: u8,
}

/// What is on its way to an end; the last thing may be that it is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct End {
    link: u8,
    is_open: bool,
    coming: VecDeque<Option<Vec<u8>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Pipe {
    child: usize,
    parent: usize,
    /// The child's end, the parent's end.
    ends: [End; 2],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    nodes: Vec<Node>,
    pipes: Vec<Pipe>,
    /// What may happen, in the order in which it does when nothing is put off; empty when every order is looked at.
    queue: Vec<Step>,
    now: UnixMillis,
    is_submitted: bool,
    is_accepted: bool,
    is_halted: bool,
    /// When the job was finished, or a return came after that.
    finished: Option<UnixMillis>,
    /// When time last passed before its time.
    faulty_until: UnixMillis,
    deaths: u8,
    cuts: u8,
    timers: u16,
    delays: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Submit,
    Halt,
    Deliver(usize, usize),
    Save(usize),
    End(usize),
    Dial(usize, usize),
    Die(usize, bool),
    Cut(usize),
    Timer(usize),
    /// So much time passes at once.
    Leap(u64),
    /// What would happen next happens after all the rest.
    Delay,
}

enum Live {
    Hub(Box<Hub>),
    Leaf(Box<Leaf<Checker>>),
}

struct Explorer {
    bounds: Bounds,
    signed: Signed,
    locals: Vec<Local>,
    /// The machine of each node that was played last, and what it is.
    live: HashMap<usize, (u32, Live)>,
    names: HashMap<(usize, Option<u32>, UnixMillis, Told), u32>,
    hub_disks: Vec<HubDisk>,
    leaf_disks: Vec<LeafDisk>,
    written: BTreeMap<(bool, u32, Vec<u8>), u32>,
}

/// Explores all runs of one job for everybody.
///
/// # Errors
/// What was wrong, and the steps that lead there.
pub fn explore(bounds: Bounds) -> Result<Explored, String> {
    let top = &bounds.shape.nodes[0].peer;
    let origin = (top.uid, top.id.clone(), top.path.clone());
    let jid = JidClock::new(0, DAWN).next(DAWN);
    let (start_within, run_ms_max) = match bounds.budget {
        Some(_) => (TURNS_WITHIN_MS, Some(RUN_MS)),
        None => (START_WITHIN_MS, None),
    };
    let target = Target::All;
    let signed = orders::order(jid, origin, &target, "ping", DAWN, start_within, run_ms_max);
    let mut explorer = Explorer {
        signed,
        bounds,
        locals: Vec::new(),
        live: HashMap::new(),
        names: HashMap::new(),
        hub_disks: vec![HubDisk::default()],
        leaf_disks: vec![LeafDisk::default()],
        written: BTreeMap::new(),
    };
    explorer.search()
}

impl Explorer {
    fn search(&mut self) -> Result<Explored, String> {
        let mut seen = HashSet::new();
        let mut ends = 0;
        let mut is_all = true;
        let first = self.first()?;
        let steps = self.steps(&first);
        let mut path: Vec<(State, Vec<Step>, Option<Step>)> = vec![(first, steps, None)];
        while let Some((state, steps, _)) = path.last_mut() {
            let Some(step) = steps.pop() else {
                path.pop();
                continue;
            };
            if seen.len() >= self.bounds.states_max {
                is_all = false;
                break;
            }
            let mut next = state.clone();
            let happened = self.happen(&mut next, step);
            self.enqueue(&mut next);
            let times = (next.now - DAWN, next.finished.map(|at| at - DAWN));
            let mut outcome = happened;
            if outcome.is_ok() {
                let mut hasher = DefaultHasher::new();
                next.hash(&mut hasher);
                if !seen.insert(hasher.finish()) {
                    continue;
                }
                let steps = self.steps(&next);
                if !steps.iter().any(is_calm) {
                    ends += 1;
                    outcome = self.check_end(&next);
                }
                path.push((next, steps, Some(step)));
            }
            if let Err(wrong) = outcome {
                let trail: Vec<String> = path
                    .iter()
                    .filter_map(|(_, _, step)| step.map(|step| format!("{step:?}")))
                    .collect();
                let (now, finished) = times;
                let trail = trail.join(", ");
                return Err(format!(
                    "{wrong}, at {now} ms, finished {finished:?}\nafter {trail}, {step:?}"
                ));
            }
        }
        Ok(Explored {
            states: seen.len(),
            locals: self.locals.len(),
            ends,
            is_all,
        })
    }

    fn is_hub(&self, at: usize) -> bool {
        self.bounds.shape.nodes[at].peer.role != Role::Minion
    }

    /// Everybody runs and is connected, and the rosters are told.
    fn first(&mut self) -> Result<State, String> {
        let mut state = State {
            nodes: Vec::new(),
            pipes: Vec::new(),
            queue: Vec::new(),
            now: DAWN,
            is_submitted: false,
            is_accepted: false,
            is_halted: false,
            finished: None,
            faulty_until: DAWN,
            deaths: 0,
            cuts: 0,
            timers: 0,
            delays: 0,
        };
        for at in 0..self.bounds.shape.nodes.len() {
            state.nodes.push(Node {
                local: 0,
                disk: 0,
                in_flight: None,
                next_link: 0,
                runs: None,
                started: 0,
            });
            self.tell(&mut state, at, Told::Boot(0))?;
        }
        self.settle(&mut state, true)?;
        for nth in 0..state.pipes.len() {
            if self.bounds.down.contains(&state.pipes[nth].child) {
                self.happen(&mut state, Step::Cut(nth))?;
            }
        }
        state.cuts = 0;
        self.settle(&mut state, false)?;
        self.enqueue(&mut state);
        Ok(state)
    }

    /// Everything that is on its way arrives.
    fn settle(&mut self, state: &mut State, dials: bool) -> Result<(), String> {
        loop {
            let calm = |step: &&Step| match step {
                Step::Deliver(..) | Step::Save(_) => true,
                Step::Dial(..) => dials,
                _ => false,
            };
            let Some(step) = self.can_happen(state).iter().find(calm).copied() else {
                return Ok(());
            };
            self.happen(state, step)?;
        }
    }

    /// Keeps what may happen in its order: what is new comes last.
    fn enqueue(&self, state: &mut State) {
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
    fn can_happen(&self, state: &State) -> Vec<Step> {
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
    fn steps(&self, state: &State) -> Vec<Step> {
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

    /// How far a node's clock is behind.
    fn behind(&self, at: usize) -> u64 {
        match self.is_hub(at) {
            true => 0,
            false => self.bounds.behind_ms,
        }
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

    fn happen(&mut self, state: &mut State, step: Step) -> Result<(), String> {
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
    fn tell(&mut self, state: &mut State, at: usize, told: Told) -> Result<(), String> {
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

    /// P3: a turn is on a hub's disk before anybody below hears of it.
    fn check_said(&self, state: &State, at: usize, bytes: &[u8]) -> Result<(), String> {
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
            Down::Job(_) | Down::Assign { .. } | Down::Overriding { .. } => job.is_some(),
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
    fn check_run(&self, state: &State, at: usize) -> Result<(), String> {
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

    /// Plays one more input; a machine that is not at hand is made anew by playing all that it was told.
    fn play(&mut self, at: usize, before: Option<u32>, now: UnixMillis, told: Told) -> Local {
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
                passes: None,
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

    fn result(&self, at: usize) -> Return {
        let uid = self.bounds.shape.nodes[at].peer.uid;
        orders::result(&self.signed.order, uid, DAWN, 1)
    }

    /// P1 to P5 at the end of a run: a job that was acknowledged is finished, and its account is what happened.
    fn check_end(&self, state: &State) -> Result<(), String> {
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

/// A question whether a node is there, or its answer, that comes next on its link: when nothing can go wrong any more it
/// changes nothing for anybody else, whenever it arrives.
fn probe(state: &State) -> Option<Step> {
    let is_probe = |bytes: &[u8]| match bytes.split_first() {
        Some((0, up)) => matches!(codec::decode(up), Ok(Up::Pong { .. })),
        Some((_, down)) => matches!(codec::decode(down), Ok(Down::Ping { .. })),
        None => false,
    };
    for (nth, pipe) in state.pipes.iter().enumerate() {
        for (side, end) in pipe.ends.iter().enumerate() {
            let first = end.coming.front().and_then(Option::as_ref);
            if end.is_open && first.is_some_and(|bytes| is_probe(bytes)) {
                return Some(Step::Deliver(nth, side));
            }
        }
    }
    None
}

/// Whether a step is not a fault.
fn is_calm(step: &Step) -> bool {
    !matches!(step, Step::Die(..) | Step::Cut(_) | Step::Halt)
}

fn upward(message: &Up) -> Vec<u8> {
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
