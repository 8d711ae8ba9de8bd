//! Clients of a hub: some who wait for each job before they ask for the next one, and some who do not.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use wire::Jid;

use super::books::in_words;
use super::order::{Answer, Order, SILENCE_MAX};

/// Jobs of an open loop that wait for their answers, at most: twice what a hub's control socket serves at once, so that
/// some wait before it. A job that finds all of them taken is sent late, and timed from when it should have been sent.
const WAITING_MAX: u32 = 512;
/// Until the first job of an open loop, so that all clients stand ready.
const SET_OUT: Duration = Duration::from_millis(200);
/// Jobs of each client of a closed loop, at least, however long they take.
const JOBS_MIN: usize = 2;

/// When the jobs of an open loop are to be sent: evenly, whatever became of those before.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    per_second: f64,
    jobs: u32,
}

impl Schedule {
    /// So many each second, for so long; at least one.
    pub fn new(per_second: f64, length: Duration) -> Schedule {
        Schedule {
            per_second,
            jobs: (per_second * length.as_secs_f64()).round().max(1.0) as u32,
        }
    }

    /// From the first job to this one, the first being 0; None when there are not so many.
    fn at(&self, nth: u32) -> Option<Duration> {
        (nth < self.jobs).then(|| Duration::from_secs_f64(f64::from(nth) / self.per_second))
    }
}

/// What became of a job that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Every minion is ok in its account.
    Whole,
    /// It is accepted, and nobody waits for it.
    Taken,
    /// It was not accepted, in these words.
    Refused(String),
    /// It was accepted, and its account never came, or not every minion is ok.
    Broken(String),
}

impl Fate {
    fn of(answer: &Answer, minions: u32) -> Fate {
        let minions = u64::from(minions);
        match (&answer.counts, answer.jid) {
            (Ok(Some(counts)), Some(_)) if counts.ok == minions && counts.expected == minions => {
                Fate::Whole
            }
            (Ok(None), Some(_)) => Fate::Taken,
            (Ok(None), None) => Fate::Refused("no word".to_owned()),
            (Ok(Some(counts)), _) => Fate::Broken(in_words(counts)),
            (Err(error), None) => Fate::Refused(format!("{error:#}")),
            (Err(error), Some(_)) => Fate::Broken(format!("{error:#}")),
        }
    }
}

/// A job that was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// From when it was to be asked for until the answer.
    pub wall: Duration,
    /// Its id, once it was accepted.
    pub jid: Option<Jid>,
    pub fate: Fate,
}

/// All jobs of a loop.
#[derive(Debug)]
pub struct Load {
    pub asked: Vec<Asked>,
    /// From the first question to the last answer.
    pub elapsed: Duration,
    /// When the last answer came.
    pub ended: Instant,
}

impl Load {
    fn since(begin: Instant, asked: Vec<Asked>) -> Load {
        let ended = Instant::now();
        Load {
            asked,
            elapsed: ended.saturating_duration_since(begin),
            ended,
        }
    }

    fn good(&self) -> impl Iterator<Item = &Asked> {
        let is_good = |asked: &&Asked| matches!(asked.fate, Fate::Whole | Fate::Taken);
        self.asked.iter().filter(is_good)
    }

    /// Those that ended as they should.
    pub fn walls(&self) -> Vec<Duration> {
        self.good().map(|asked| asked.wall).collect()
    }

    /// Those that ended as they should, each second.
    pub fn per_second(&self) -> f64 {
        self.good().count() as f64 / self.elapsed.as_secs_f64()
    }

    /// Those that were accepted, in whatever way they ended.
    pub fn accepted(&self) -> Vec<Jid> {
        self.asked.iter().filter_map(|asked| asked.jid).collect()
    }
}

/// So many clients, each with its next job as soon as it has the account of the one before, for so long. A client whose
/// job is refused or has no exact account gives up.
pub fn closed(
    order: Order<'_>,
    socket: &Path,
    minions: u32,
    clients: u32,
    length: Duration,
) -> Load {
    let begin = Instant::now();
    let asked = together(clients, |asked| {
        if begin.elapsed() >= length && asked.len() >= JOBS_MIN {
            return ControlFlow::Break(());
        }
        let one = ask(order, socket, minions, Instant::now());
        let is_good = one.fate == Fate::Whole;
        asked.push(one);
        match is_good {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    Load::since(begin, asked)
}

/// Jobs by a schedule, whether or not those before have ended.
pub fn open(order: Order<'_>, socket: &Path, minions: u32, schedule: Schedule) -> Load {
    let (next, begin) = (AtomicU32::new(0), Instant::now() + SET_OUT);
    let asked = together(schedule.jobs.min(WAITING_MAX), |asked| {
        let Some(at) = schedule.at(next.fetch_add(1, Ordering::Relaxed)) else {
            return ControlFlow::Break(());
        };
        std::thread::sleep((begin + at).saturating_duration_since(Instant::now()));
        asked.push(ask(order, socket, minions, begin + at));
        ControlFlow::Continue(())
    });
    Load::since(begin, asked)
}

/// So many jobs that nobody waits for, by so many clients, as fast as they are accepted or refused.
pub fn flood(order: Order<'_>, socket: &Path, minions: u32, clients: u32, jobs: u32) -> Load {
    let (next, begin) = (AtomicU32::new(0), Instant::now());
    let asked = together(clients, |asked| {
        if next.fetch_add(1, Ordering::Relaxed) >= jobs {
            return ControlFlow::Break(());
        }
        asked.push(ask(order.detached(), socket, minions, Instant::now()));
        ControlFlow::Continue(())
    });
    Load::since(begin, asked)
}

fn ask(order: Order<'_>, socket: &Path, minions: u32, intended: Instant) -> Asked {
    let answer = order.give(SILENCE_MAX, socket);
    Asked {
        wall: intended.elapsed(),
        jid: answer.jid,
        fate: Fate::of(&answer, minions),
    }
}

/// Has so many clients take their steps, each until it breaks off.
fn together(clients: u32, step: impl Fn(&mut Vec<Asked>) -> ControlFlow<()> + Sync) -> Vec<Asked> {
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut asked = Vec::new();
                while step(&mut asked).is_continue() {}
                // Poisoned only when another client panicked, and then so does the scope.
                if let Ok(mut all) = all.lock() {
                    all.append(&mut asked);
                }
            });
        }
    });
    all.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Counts;

    #[test]
    fn a_schedule_does_not_drift() {
        let schedule = Schedule::new(3.0, Duration::from_secs(4));
        let at = |nth| schedule.at(nth).map(|at| at.as_secs_f64());
        assert_eq!((at(0), at(3), at(9)), (Some(0.0), Some(1.0), Some(3.0)));
        assert!(at(11).is_some_and(|last| last < 4.0));
        assert_eq!(at(12), None);
        let one = Schedule::new(0.1, Duration::from_secs(1));
        assert_eq!((one.at(0), one.at(1)), (Some(Duration::ZERO), None));
    }

    fn jid(number: u64) -> Jid {
        format!("202601010000000{number:05}").parse().unwrap()
    }

    #[test]
    fn fates() {
        let counts = |ok, expected| Counts {
            ok,
            expected,
            ..Counts::default()
        };
        let fate =
            |counts: anyhow::Result<Option<Counts>>, jid| Fate::of(&Answer { jid, counts }, 2);
        let accepted = Some(jid(0));
        assert_eq!(fate(Ok(Some(counts(2, 2))), accepted), Fate::Whole);
        assert_eq!(fate(Ok(None), accepted), Fate::Taken);
        for (ok, expected) in [(1, 2), (2, 3), (1, 1)] {
            let fate = fate(Ok(Some(counts(ok, expected))), accepted);
            assert!(matches!(fate, Fate::Broken(_)), "{ok} of {expected}");
        }
        let words = || Err(anyhow::anyhow!("busy"));
        assert_eq!(fate(words(), None), Fate::Refused("busy".to_owned()));
        assert_eq!(fate(words(), accepted), Fate::Broken("busy".to_owned()));
    }

    fn asked(fate: Fate) -> Asked {
        Asked {
            wall: Duration::from_millis(5),
            jid: None,
            fate,
        }
    }

    #[test]
    fn only_what_ended_well_is_achieved() {
        let load = Load {
            asked: vec![asked(Fate::Whole), asked(Fate::Refused("busy".to_owned()))],
            elapsed: Duration::from_millis(500),
            ended: Instant::now(),
        };
        assert_eq!(load.per_second(), 2.0);
        assert_eq!(load.walls(), [Duration::from_millis(5)]);
    }

    #[test]
    fn each_client_goes_on_until_it_breaks_off() {
        let all = together(3, |asked_before| {
            if asked_before.len() == 4 {
                return ControlFlow::Break(());
            }
            asked_before.push(asked(Fate::Taken));
            ControlFlow::Continue(())
        });
        assert_eq!(all.len(), 12);
    }
}
