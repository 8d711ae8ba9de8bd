//! What breaks, and how it is mended.

use std::fmt;
use std::thread::sleep;
use std::time::Duration;

use integration::{Cable, Dice, IDLE_TIMEOUT, Tree, Way, Weather};
use nix::sys::signal::Signal;

use crate::site::{CABLES, NODES};

/// Faults at a time, at most.
const AT_ONCE: usize = 3;
/// A fault lasts up to this long: some go unnoticed, some outlast the silence after which a link is dead.
const FAULT_MAX: Duration = Duration::from_millis(4_500);
/// And in long runs, sometimes.
const LONG_FAULT_MAX: Duration = Duration::from_secs(30);
/// Between two strikes.
const LULL_MAX: Duration = Duration::from_millis(1_500);

/// One fault. Each ends when it is mended.
enum Fault {
    /// kill -9, and a start.
    Dead(&'static str),
    /// SIGSTOP, and SIGCONT.
    Paused(&'static str),
    /// No packet passes, this way or at all.
    Cut(&'static str, Option<Way>),
    /// The hub sees other addresses from now on; there is nothing to mend.
    Rebound(&'static str),
    /// Bad weather one way, and what was before.
    Foul(&'static str, Way, Weather, Weather),
}

/// Throws faults.
pub struct Storm {
    dice: Dice,
    is_long: bool,
}

impl Storm {
    pub fn new(dice: Dice, is_long: bool) -> Storm {
        Storm { dice, is_long }
    }

    /// Some faults at once, from their beginning to their end.
    pub fn strike(&mut self, tree: &mut Tree) {
        let count = 1 + self.dice.below(AT_ONCE);
        let mut faults: Vec<Fault> = Vec::new();
        for _ in 0..count {
            if let Some(fault) = self.begin(tree, &faults) {
                faults.push(fault);
            }
        }
        let most = if self.is_long && self.dice.happens(0.1) {
            LONG_FAULT_MAX
        } else {
            FAULT_MAX
        };
        let time = self.dice.time(most);
        let story: Vec<String> = faults.iter().map(Fault::to_string).collect();
        println!("for {} ms: {}", time.as_millis(), story.join("; "));
        sleep(time);
        for fault in faults {
            fault.mend(tree);
        }
        sleep(self.dice.time(LULL_MAX));
    }

    /// Waits until everybody is back.
    pub fn calm(&self, tree: &Tree) {
        tree.answers("top");
        tree.heals();
    }

    fn begin(&mut self, tree: &mut Tree, others: &[Fault]) -> Option<Fault> {
        let dice = &mut self.dice;
        // Every way takes its throws, so that a fault that is left out changes none after it.
        let (kind, node, cable) = (dice.below(8), *dice.one_of(&NODES), *dice.one_of(&CABLES));
        let way = if dice.happens(0.5) {
            Way::Up
        } else {
            Way::Down
        };
        let weather = foul(dice);
        let is_struck = others.iter().any(|fault| match fault {
            Fault::Dead(id) | Fault::Paused(id) => kind <= 2 && *id == node,
            Fault::Cut(name, _) | Fault::Rebound(name) | Fault::Foul(name, ..) => {
                kind > 2 && *name == cable
            }
        });
        if is_struck {
            return None;
        }
        let wire = tree.wire(cable);
        Some(match kind {
            0 | 1 => {
                tree.node_mut(node).kill();
                Fault::Dead(node)
            }
            2 => {
                tree.node(node).signal(Signal::SIGSTOP);
                Fault::Paused(node)
            }
            3 => {
                wire.cut();
                Fault::Cut(cable, None)
            }
            4 => {
                let cut = match way {
                    Way::Up => Cable::cut_upwards,
                    Way::Down => Cable::cut_downwards,
                };
                cut(wire);
                Fault::Cut(cable, Some(way))
            }
            5 => {
                wire.rebind();
                Fault::Rebound(cable)
            }
            _ => {
                let fair = wire.weather(way);
                wire.set(way, weather);
                Fault::Foul(cable, way, weather, fair)
            }
        })
    }
}

/// Bad in one way or in several.
fn foul(dice: &mut Dice) -> Weather {
    let delay = dice.time(Duration::from_millis(400));
    let jitter = dice.time(Duration::from_millis(40));
    let mut share = || {
        if dice.happens(0.5) {
            0.0
        } else {
            0.05 * (dice.below(100) as f64) / 100.0
        }
    };
    let (loss, reorder, duplicate, corrupt) = (share(), share(), share(), share());
    let rest = if dice.happens(0.3) {
        Weather::NARROW
    } else {
        Weather::FAIR
    };
    Weather {
        delay,
        jitter,
        loss,
        reorder,
        duplicate,
        corrupt,
        ..rest
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Dead(id) => write!(f, "{id} is dead"),
            Fault::Paused(id) => write!(f, "{id} is paused"),
            Fault::Cut(name, None) => write!(f, "{name} is cut"),
            Fault::Cut(name, Some(way)) => write!(f, "{name} is cut, {way:?} alone"),
            Fault::Rebound(name) => write!(f, "{name} has other addresses"),
            Fault::Foul(name, way, weather, _) => write!(
                f,
                "{name} is bad, {way:?} alone: {} to {} ms, {:.1} % lost, {:.1} % late, {:.1} % twice, {:.1} % damaged, up to {} bytes",
                weather.delay.as_millis(),
                (weather.delay + weather.jitter).as_millis(),
                weather.loss * 100.0,
                weather.reorder * 100.0,
                weather.duplicate * 100.0,
                weather.corrupt * 100.0,
                weather.payload_max,
            ),
        }
    }
}

impl Fault {
    fn mend(self, tree: &mut Tree) {
        match self {
            Fault::Dead(id) => tree.node_mut(id).start(),
            Fault::Paused(id) => tree.node(id).signal(Signal::SIGCONT),
            Fault::Cut(name, _) => tree.wire(name).heal(),
            Fault::Rebound(_) => {}
            Fault::Foul(name, way, _, before) => tree.wire(name).set(way, before),
        }
    }
}

// A fault may outlast the silence after which a link is dead.
const _: () = assert!(FAULT_MAX.as_millis() > IDLE_TIMEOUT.as_millis());
