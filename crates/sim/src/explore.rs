//! All runs of a small tree: every order of deliveries, saves, deaths and cuts within a bound.
//!
//! The machines are the real ones. A machine gives the same outputs for the same inputs, so its state is named by the inputs
//! since its start; each such state is made once, by playing them again, and then looked up. What is left is a graph of
//! small values, which is searched depth first with a set of what was seen.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use relay::{Hub, HubConfig, HubInput, HubOutput, Leaf, LeafConfig, LeafInput, LeafOutput, LinkId};
use wire::record::{JournalRecord, Record};
use wire::{Down, JidClock, Return, Role, UnixMillis, Up, codec};

use crate::disk::{HubDisk, LeafDisk, Saved};
use crate::orders::{self, Checker, Signed, Target};
use crate::shape::Shape;
use crate::world::{DAWN, must};

/// Timers that fire one after the other when nothing else is left to happen; then the run is over.
const TIMERS_MAX: u8 = 8;

/// What is explored.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The tree.
    pub shape: Shape,
    /// Deaths in one run; the node is back at once.
    pub deaths: u8,
    /// Cuts of links in one run.
    pub cuts: u8,
    /// States after which the search gives up.
    pub states_max: usize,
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
    now: UnixMillis,
    runs: bool,
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
    is_submitted: bool,
    is_accepted: bool,
    is_finished: bool,
    deaths: u8,
    cuts: u8,
    timers: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Submit,
    Deliver(usize, usize),
    Save(usize),
    End(usize),
    Dial(usize, usize),
    Die(usize, bool),
    Cut(usize),
    Timer(usize),
}

struct Explorer {
    bounds: Bounds,
    signed: Signed,
    locals: Vec<Local>,
    names: HashMap<(usize, Option<u32>, UnixMillis, Told), u32>,
    hub_disks: Vec<HubDisk>,
    leaf_disks: Vec<LeafDisk>,
    written: BTreeMap<(bool, u32, Vec<u8>), u32>,
}

/// Explores all runs of one plain job for everybody.
///
/// # Errors
/// What was wrong, and the steps that lead there.
pub fn explore(bounds: Bounds) -> Result<Explored, String> {
    let top = &bounds.shape.nodes[0].peer;
    let origin = (top.uid, top.id.clone(), top.path.clone());
    let jid = JidClock::new(0, DAWN).next(DAWN);
    let signed = orders::order(jid, origin, &Target::All, "ping", DAWN, 30_000, None);
    let mut explorer = Explorer {
        signed,
        bounds,
        locals: Vec::new(),
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
            let mut outcome = happened;
            if outcome.is_ok() {
                let mut hasher = DefaultHasher::new();
                next.hash(&mut hasher);
                if !seen.insert(hasher.finish()) {
                    continue;
                }
                let steps = self.steps(&next);
                if !steps
                    .iter()
                    .any(|s| !matches!(s, Step::Die(..) | Step::Cut(_)))
                {
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
                return Err(format!("{wrong}\nafter {}, {step:?}", trail.join(", ")));
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
            is_submitted: false,
            is_accepted: false,
            is_finished: false,
            deaths: 0,
            cuts: 0,
            timers: 0,
        };
        for at in 0..self.bounds.shape.nodes.len() {
            state.nodes.push(Node {
                local: 0,
                disk: 0,
                in_flight: None,
                next_link: 0,
                now: DAWN,
                runs: false,
                started: 0,
            });
            self.tell(&mut state, at, Told::Boot(0), None)?;
        }
        loop {
            let steps = self.steps(&state);
            let calm =
                |step: &&Step| matches!(step, Step::Deliver(..) | Step::Save(_) | Step::Dial(..));
            let Some(step) = steps.iter().find(calm).copied() else {
                return Ok(state);
            };
            self.happen(&mut state, step)?;
        }
    }

    /// What may happen next.
    fn steps(&self, state: &State) -> Vec<Step> {
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
            if node.runs {
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
        if steps.is_empty() && state.timers < TIMERS_MAX {
            let due = |at: &usize| self.locals[state.nodes[*at].local as usize].due;
            let first = (0..state.nodes.len())
                .filter(|at| due(at).is_some())
                .min_by_key(due);
            steps.extend(first.map(Step::Timer));
        }
        // Nodes die and links are cut while the job is on its way.
        if !state.is_submitted || state.timers > 0 {
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

    fn happen(&mut self, state: &mut State, step: Step) -> Result<(), String> {
        match step {
            Step::Submit => {
                state.is_submitted = true;
                self.tell(state, 0, Told::Submit, None)
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
                self.tell(state, at, told, None)
            }
            Step::Save(at) => {
                let Some((token, batch)) = state.nodes[at].in_flight.take() else {
                    return Ok(());
                };
                self.write(state, at, batch)?;
                self.tell(state, at, Told::Saved(token), None)
            }
            Step::End(at) => {
                state.nodes[at].runs = false;
                self.tell(state, at, Told::Finished, None)
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
                self.tell(state, parent, Told::Connected(links[1], child), None)?;
                self.tell(state, child, Told::Connected(links[0], parent), None)
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
                node.runs = false;
                let disk = node.disk;
                self.tell(state, at, Told::Boot(disk), None)
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
                let due = self.locals[state.nodes[at].local as usize].due;
                self.tell(state, at, Told::Timeout, due)
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
    fn tell(
        &mut self,
        state: &mut State,
        at: usize,
        told: Told,
        now: Option<UnixMillis>,
    ) -> Result<(), String> {
        let node = &mut state.nodes[at];
        node.now = now.unwrap_or(node.now);
        let before = match told {
            Told::Boot(_) => None,
            _ => Some(node.local),
        };
        let key = (at, before, node.now, told);
        let local = match self.names.get(&key) {
            Some(local) => *local,
            None => {
                let local = self.play(at, before, node.now, key.3.clone());
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
            Want::Finished => state.is_finished = true,
            Want::Recall => {
                let disk = state.nodes[at].disk;
                self.tell(state, at, Told::Recalled(disk), None)?;
            }
            Want::Vouch => self.tell(state, at, Told::Vouched, None)?,
            Want::Run => {
                let node = &mut state.nodes[at];
                node.started += 1;
                node.runs = true;
                if node.started > 1 {
                    return Err(format!("P4: {at} runs the job again"));
                }
                if !self.leaf_disks[node.disk as usize].has_start(jid) {
                    return Err(format!("P4: {at} runs what its journal does not know"));
                }
            }
        }
        Ok(())
    }

    /// Makes a machine anew by playing all that it was told.
    fn play(&self, at: usize, before: Option<u32>, now: UnixMillis, told: Told) -> Local {
        let mut inputs = vec![(now, told.clone())];
        let mut from = before;
        while let Some(number) = from {
            let local = &self.locals[number as usize];
            inputs.push((local.now, local.told.clone()));
            from = local.before;
        }
        inputs.reverse();
        let last = inputs.len() - 1;
        let (wants, due) = match self.is_hub(at) {
            true => self.play_hub(at, inputs, last),
            false => self.play_leaf(at, inputs, last),
        };
        Local {
            before,
            told,
            now,
            wants,
            due,
        }
    }

    fn play_hub(
        &self,
        at: usize,
        inputs: Vec<(UnixMillis, Told)>,
        last: usize,
    ) -> (Vec<Want>, Option<UnixMillis>) {
        let peers = &self.bounds.shape.nodes;
        let mut hub: Option<Hub> = None;
        let mut wants = Vec::new();
        for (nth, (now, told)) in inputs.into_iter().enumerate() {
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
                    };
                    let disk = self.hub_disks[disk as usize].recovered();
                    hub = Some(Hub::new(config, disk, now));
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
                    if let Some(hub) = &mut hub {
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
                        None => continue,
                    }
                }
                Told::Saved(token) => HubInput::Saved { token },
                Told::Submit => HubInput::Submit {
                    envelope: self.signed.envelope.clone(),
                    order: self.signed.order.clone(),
                    hold: false,
                    plan: None,
                },
                Told::Timeout => {
                    if let Some(hub) = &mut hub {
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
                Told::Finished => continue,
            };
            let Some(hub) = &mut hub else { continue };
            hub.handle_input(now, input);
            while let Some(output) = hub.poll_output() {
                if nth == last {
                    want_of_hub(output, &mut wants);
                }
            }
        }
        (
            wants,
            hub.and_then(|hub| hub.poll_timeout()).map(|(at, _)| at),
        )
    }

    fn play_leaf(
        &self,
        at: usize,
        inputs: Vec<(UnixMillis, Told)>,
        last: usize,
    ) -> (Vec<Want>, Option<UnixMillis>) {
        let spec = &self.bounds.shape.nodes[at];
        let mut leaf: Option<Leaf<Checker>> = None;
        let mut wants = Vec::new();
        for (nth, (now, told)) in inputs.into_iter().enumerate() {
            let input = match told {
                Told::Boot(disk) => {
                    let config = LeafConfig {
                        id: spec.peer.id.clone(),
                        path: spec.peer.path.clone(),
                        software: String::new(),
                        spool_bytes_max: 256 << 20,
                    };
                    let found = self.leaf_disks[disk as usize].recovered();
                    leaf = Some(Leaf::new(config, Checker, orders::grains(spec), found, now));
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
                    if let Some(leaf) = &mut leaf {
                        leaf.handle_timeout(now);
                    }
                    LeafInput::Trust(0)
                }
                Told::Submit | Told::Recalled(_) | Told::Vouched => continue,
            };
            let Some(leaf) = &mut leaf else { continue };
            leaf.handle_input(now, input);
            while let Some(output) = leaf.poll_output() {
                if nth == last {
                    want_of_leaf(output, &mut wants);
                }
            }
        }
        (
            wants,
            leaf.and_then(|leaf| leaf.poll_timeout()).map(|(at, _)| at),
        )
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
                Saved::Other(_) => {}
            }
            if leaf.unsettled().next().is_some() {
                return Err(format!("P5: {at} still keeps its return"));
            }
        }
        Ok(())
    }
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
