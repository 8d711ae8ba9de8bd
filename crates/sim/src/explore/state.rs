//! What is searched: the whole as one small value, and what may happen to it.

use std::collections::VecDeque;

use wire::{Down, UnixMillis, Up, codec};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) local: u32,
    pub(super) disk: u32,
    pub(super) in_flight: Option<(u64, Vec<u8>)>,
    pub(super) next_link: u8,
    /// Until when the function is over, while it runs.
    pub(super) runs: Option<UnixMillis>,
    pub(super) started: u8,
}

/// What is on its way to an end; the last thing may be that it is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct End {
    pub(super) link: u8,
    pub(super) is_open: bool,
    pub(super) coming: VecDeque<Option<Vec<u8>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pipe {
    pub(super) child: usize,
    pub(super) parent: usize,
    /// The child's end, the parent's end.
    pub(super) ends: [End; 2],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) nodes: Vec<Node>,
    pub(super) pipes: Vec<Pipe>,
    /// What may happen, in the order in which it does when nothing is put off; empty when every order is looked at.
    pub(super) queue: Vec<Step>,
    pub(super) now: UnixMillis,
    pub(super) is_submitted: bool,
    pub(super) is_accepted: bool,
    pub(super) is_halted: bool,
    /// When the job was finished, or a return came after that.
    pub(super) finished: Option<UnixMillis>,
    /// When time last passed before its time.
    pub(super) faulty_until: UnixMillis,
    pub(super) deaths: u8,
    pub(super) cuts: u8,
    pub(super) timers: u16,
    pub(super) delays: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
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

/// A question whether a node is there, or its answer, that comes next on its link: when nothing can go wrong any more it
/// changes nothing for anybody else, whenever it arrives.
pub(super) fn probe(state: &State) -> Option<Step> {
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
pub(super) fn is_calm(step: &Step) -> bool {
    !matches!(step, Step::Die(..) | Step::Cut(_) | Step::Halt)
}
