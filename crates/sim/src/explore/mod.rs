//! All runs of a small tree: every order of deliveries, saves, ends of functions, deaths, cuts and the passing of time,
//! within bounds.
//!
//! The machines are the real ones. A machine gives the same outputs for the same inputs, so its state is named by the inputs
//! since its start; each such state is made once, by playing them again, and then looked up. What is left is a graph of
//! small values, which is searched depth first with a set of what was seen.

mod machine;
mod promises;
mod state;
mod step;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use wire::{JidClock, Role, UnixMillis};

use self::machine::{Live, Local, Told};
use self::state::{Node, State, Step, is_calm};
use crate::disk::{HubDisk, LeafDisk};
use crate::orders::{self, Signed, Target};
use crate::shape::Shape;
use crate::world::DAWN;

/// A plain job has to start within this time.
const START_WITHIN_MS: u64 = 30_000;
/// One in turns: long enough that two leases run out one after the other.
const TURNS_WITHIN_MS: u64 = 1_500_000;
/// A function of a rollout is over within this time.
const RUN_MS: u64 = 150_000;

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

    /// How far a node's clock is behind.
    fn behind(&self, at: usize) -> u64 {
        match self.is_hub(at) {
            true => 0,
            false => self.bounds.behind_ms,
        }
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
}
