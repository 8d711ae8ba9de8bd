//! Which of several parents is held when one is to be held at a time: the next in order when one is lost, and the first again.
//!
//! A machine without IO: [`Failover::step`] says what to do now, the other calls tell what became of it. The same calls give the
//! same steps; what is random follows from the seed.

use std::time::Duration;

use wire::UnixMillis;

use crate::backoff::Backoff;

/// A parent that was reached and does not welcome the node within this time is no parent now.
const WELCOME_MS: u64 = 10_000;
/// The parent that is left stays connected for so long beside the new one, and so much longer each time that the node is found at
/// work: the new one may know nothing of what runs, and then that would be out of sight.
const FAREWELL_MS: u64 = 5_000;
/// But no longer than this: what runs then is out of sight until it returns.
const FAREWELL_MAX_MS: u64 = 3_600_000;
/// A session that lasted less is a refusal in other words.
const GOOD_SESSION_MS: u64 = 10_000;

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Dial this parent: answered by [`Failover::reached`] or [`Failover::lost`].
    Dial(usize),
    /// End the session with this parent; [`Failover::lost`] follows.
    Leave(usize),
    /// Nothing until then; None: until something happens.
    Wait(Option<UnixMillis>),
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Dialled,
    /// The session stands, and has to be welcomed by then.
    Reached(UnixMillis),
    /// It was not welcomed in time, and its end is awaited.
    GivenUp,
}

/// A parent that is held no longer.
#[derive(Debug, Clone, Copy)]
struct Left {
    parent: usize,
    since: UnixMillis,
    /// When its session ends; None: its end is awaited.
    at: Option<UnixMillis>,
}

/// The machine. Parents are named by their place in the order.
#[derive(Debug, Clone)]
pub struct Failover {
    parents: usize,
    /// How often a node that holds another parent looks after the first.
    failback: Option<Duration>,
    backoff: Backoff,
    held: Option<(usize, UnixMillis)>,
    attempt: Option<(usize, Attempt)>,
    left: Option<Left>,
    next: usize,
    /// Attempts in a row that came to nothing.
    failures: usize,
    /// Nobody is dialled before.
    not_before: UnixMillis,
    /// The first parent is looked after then.
    back_at: UnixMillis,
}

impl Failover {
    /// For so many parents, at least one. With `failback` a node that holds another parent than the first dials the first so often,
    /// and holds it from the time that it answers.
    pub fn new(parents: usize, failback: Option<Duration>, seed: u64) -> Self {
        Failover {
            parents: parents.max(1),
            failback,
            backoff: Backoff::new(seed),
            held: None,
            attempt: None,
            left: None,
            next: 0,
            failures: 0,
            not_before: 0,
            back_at: 0,
        }
    }

    /// The parent that is held.
    pub fn held(&self) -> Option<usize> {
        self.held.map(|(parent, _)| parent)
    }

    /// What to do now. `at_work`: the node runs something of which its parents are to hear.
    pub fn step(&mut self, now: UnixMillis, at_work: bool) -> Step {
        if let Some(left) = &mut self.left
            && left.at.is_some_and(|at| at <= now)
        {
            if !at_work || now >= left.since + FAREWELL_MAX_MS {
                left.at = None;
                return Step::Leave(left.parent);
            }
            left.at = Some(now + FAREWELL_MS);
        }
        let farewell = self.left.and_then(|left| left.at);
        let due = match (self.attempt, self.held) {
            (Some((parent, Attempt::Reached(until))), _) => {
                if until <= now {
                    self.attempt = Some((parent, Attempt::GivenUp));
                    return Step::Leave(parent);
                }
                Some(until)
            }
            (Some((_, Attempt::Dialled | Attempt::GivenUp)), _) => None,
            (None, None) => {
                if self.not_before <= now && !self.is_leaving(self.next) {
                    self.attempt = Some((self.next, Attempt::Dialled));
                    return Step::Dial(self.next);
                }
                (self.not_before > now).then_some(self.not_before)
            }
            (None, Some((0, _))) => None,
            (None, Some(_)) => match self.failback {
                Some(_) if self.back_at <= now && !self.is_leaving(0) => {
                    self.attempt = Some((0, Attempt::Dialled));
                    return Step::Dial(0);
                }
                Some(_) => (self.back_at > now).then_some(self.back_at),
                None => None,
            },
        };
        Step::Wait([due, farewell].into_iter().flatten().min())
    }

    fn is_leaving(&self, parent: usize) -> bool {
        self.left.is_some_and(|left| left.parent == parent)
    }

    /// The session with a parent stands; it has yet to welcome the node.
    pub fn reached(&mut self, parent: usize, now: UnixMillis) {
        if self.attempt == Some((parent, Attempt::Dialled)) {
            self.attempt = Some((parent, Attempt::Reached(now + WELCOME_MS)));
        }
    }

    /// A parent welcomed the node: it is held from now on.
    pub fn welcomed(&mut self, parent: usize, now: UnixMillis) {
        if !matches!(self.attempt, Some((tried, Attempt::Reached(_))) if tried == parent) {
            return;
        }
        self.attempt = None;
        if let Some((old, _)) = self.held {
            self.left = Some(Left {
                parent: old,
                since: now,
                at: Some(now + FAREWELL_MS),
            });
        }
        self.held = Some((parent, now));
        self.next = (parent + 1) % self.parents;
        self.look_back(now);
    }

    /// A parent was not reached, or the session with it has ended.
    pub fn lost(&mut self, parent: usize, now: UnixMillis) {
        if self.is_leaving(parent) {
            self.left = None;
            return;
        }
        if self.attempt.is_some_and(|(tried, _)| tried == parent) {
            self.attempt = None;
            match self.held {
                Some(_) => self.look_back(now),
                None => self.failed(parent, now),
            }
            return;
        }
        let Some((_, since)) = self.held.filter(|(held, _)| *held == parent) else {
            return;
        };
        self.held = None;
        if now.saturating_sub(since) < GOOD_SESSION_MS {
            self.failed(parent, now);
            return;
        }
        self.failures = 0;
        self.backoff.reset();
        self.next = (parent + 1) % self.parents;
        // A whole site loses its hub at once, and must not dial the next one in step.
        self.pause(now);
    }

    /// The next in order, and a pause after all of them.
    fn failed(&mut self, parent: usize, now: UnixMillis) {
        self.next = (parent + 1) % self.parents;
        self.failures += 1;
        if self.failures.is_multiple_of(self.parents) {
            self.pause(now);
        }
    }

    fn pause(&mut self, now: UnixMillis) {
        self.not_before = now + millis(self.backoff.pause());
    }

    /// The first parent is looked after within the interval: a site that has moved to its second hub must not move back in step.
    fn look_back(&mut self, now: UnixMillis) {
        if let Some(interval) = self.failback {
            let half = interval / 2;
            self.back_at = now + millis(half + self.backoff.within(interval.saturating_sub(half)));
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An order of `parents` that is drawn; the first stays the first when `keep_first`.
pub fn shuffled<T>(mut parents: Vec<T>, keep_first: bool, seed: u64) -> Vec<T> {
    let mut dice = Backoff::new(seed);
    let fixed = usize::from(keep_first);
    for last in (fixed + 1..parents.len()).rev() {
        let choices = (last - fixed + 1) as u64;
        parents.swap(last, fixed + dice.below(choices) as usize);
    }
    parents
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILBACK: Option<Duration> = Some(Duration::from_secs(30));

    /// Parents that live and die, and a node that follows its machine.
    struct World {
        machine: Failover,
        alive: Vec<bool>,
        /// Parents that take sessions and say nothing.
        mute: Vec<bool>,
        /// Sessions that stand, by parent.
        open: Vec<bool>,
        now: UnixMillis,
        dialled: Vec<usize>,
        at_work: bool,
    }

    impl World {
        fn new(parents: usize, failback: Option<Duration>, seed: u64) -> World {
            World {
                machine: Failover::new(parents, failback, seed),
                alive: vec![true; parents],
                mute: vec![false; parents],
                open: vec![false; parents],
                now: 1_000_000,
                dialled: Vec::new(),
                at_work: false,
            }
        }

        /// Does what is due, up to `until`.
        fn run(&mut self, until: UnixMillis) {
            let mut steps = 0;
            loop {
                steps += 1;
                assert!(steps < 100_000, "it never rests: {:?}", self.machine);
                match self.machine.step(self.now, self.at_work) {
                    Step::Dial(parent) => {
                        assert!(!self.open[parent], "dialled twice: {:?}", self.machine);
                        self.dialled.push(parent);
                        self.now += 5;
                        if !self.alive[parent] {
                            self.machine.lost(parent, self.now);
                            continue;
                        }
                        self.open[parent] = true;
                        self.machine.reached(parent, self.now);
                        if !self.mute[parent] {
                            self.machine.welcomed(parent, self.now);
                        }
                    }
                    Step::Leave(parent) => {
                        assert!(self.open[parent]);
                        self.open[parent] = false;
                        self.machine.lost(parent, self.now);
                    }
                    Step::Wait(Some(at)) if at <= until => {
                        assert!(at > self.now, "it waits for the past: {:?}", self.machine);
                        self.now = at;
                    }
                    Step::Wait(_) => break,
                }
            }
            self.now = self.now.max(until);
        }

        fn run_for(&mut self, ms: u64) {
            self.run(self.now + ms);
        }

        fn kill(&mut self, parent: usize) {
            self.alive[parent] = false;
            if std::mem::take(&mut self.open[parent]) {
                self.machine.lost(parent, self.now);
            }
        }

        fn held(&self) -> Vec<usize> {
            (0..self.open.len())
                .filter(|parent| self.open[*parent])
                .collect()
        }
    }

    #[test]
    fn one_is_held_in_order_and_the_first_again_when_that_is_wanted() {
        for failback in [FAILBACK, None] {
            let mut world = World::new(3, failback, 7);
            world.run_for(20_000);
            assert_eq!(world.held(), [0]);
            world.kill(0);
            world.run_for(1_000);
            assert_eq!(world.held(), [1], "the next, within a second");
            world.kill(2);
            world.run_for(20_000);
            world.kill(1);
            world.run_for(100);
            world.alive[0] = true;
            world.run_for(120_000);
            assert_eq!(world.held(), [0], "the only one that is alive");
            world.alive = vec![true; 3];
            world.kill(0);
            world.run_for(20_000);
            assert_eq!(world.held(), [1]);
            world.alive[0] = true;
            world.run_for(40_000);
            let back = usize::from(failback.is_none());
            assert_eq!(world.held(), [back], "{failback:?}");
        }
    }

    #[test]
    fn the_old_one_is_kept_until_the_new_one_has_had_its_time() {
        let mut world = World::new(2, FAILBACK, 3);
        world.kill(0);
        world.run_for(20_000);
        world.alive[0] = true;
        let mut both = false;
        for _ in 0..400 {
            world.run_for(100);
            assert!(!world.held().is_empty(), "there is no gap");
            both |= world.held() == [0, 1];
        }
        assert!(both);
        assert_eq!(world.held(), [0]);

        // Who is at work is not left out of sight, for as long as that may take.
        world.kill(0);
        world.run_for(20_000);
        world.alive[0] = true;
        world.at_work = true;
        world.run_for(FAREWELL_MAX_MS);
        assert_eq!(world.held(), [0, 1]);
        world.run_for(2 * 30_000);
        assert_eq!(world.held(), [0]);
    }

    #[test]
    fn one_that_takes_sessions_and_does_not_welcome_is_passed_over() {
        let mut world = World::new(2, FAILBACK, 5);
        world.mute[0] = true;
        world.run_for(WELCOME_MS + 1_000);
        assert_eq!(world.held(), [1]);
        world.run_for(60_000);
        assert!(world.held().contains(&1));
        assert_eq!(world.machine.held(), Some(1));
        world.mute[0] = false;
        world.run_for(60_000);
        assert_eq!(world.held(), [0]);
    }

    #[test]
    fn nobody_is_dialled_in_a_hurry() {
        let mut world = World::new(3, FAILBACK, 11);
        for parent in 0..3 {
            world.kill(parent);
        }
        world.run_for(600_000);
        assert!(world.dialled.len() < 100, "{}", world.dialled.len());
        assert_eq!(world.dialled[..4], [0, 1, 2, 0], "each in its turn");
        // And one that takes sessions to end them at once is no better.
        let mut world = World::new(2, None, 11);
        for _ in 0..1_000 {
            world.run_for(600);
            for parent in 0..2 {
                world.kill(parent);
                world.alive[parent] = true;
            }
        }
        assert!(world.dialled.len() < 150, "{}", world.dialled.len());
    }

    /// Whatever dies and comes back: at most two sessions and that for a moment, one within a bound whenever one can be had, and
    /// in the end the first.
    #[test]
    fn random_lives_of_parents() {
        for seed in 1..400_u64 {
            let mut dice = Backoff::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let parents = 1 + dice.below(4) as usize;
            let failback = FAILBACK.filter(|_| dice.below(2) == 0);
            let mut world = World::new(parents, failback, seed);
            for _ in 0..60 {
                let one = dice.below(parents as u64) as usize;
                match dice.below(4) {
                    0 => world.kill(one),
                    1 => world.mute[one] = !world.mute[one],
                    _ => world.alive[one] = true,
                }
                world.run_for(dice.below(40_000));
                assert!(world.held().len() <= 2, "seed {seed}: {:?}", world.machine);
            }
            world.alive = vec![true; parents];
            world.mute = vec![false; parents];
            // The longest pause, and an attempt at each.
            world.run_for(60_000 + parents as u64 * (WELCOME_MS + 100));
            let held = world.machine.held();
            assert!(held.is_some(), "seed {seed}: {:?}", world.machine);
            world.run_for(60_000);
            let expected = match failback {
                Some(_) => 0,
                None => held.unwrap_or_default(),
            };
            assert_eq!(world.held(), [expected], "seed {seed}: {:?}", world.machine);
        }
    }

    #[test]
    fn an_order_is_drawn_for_each_seed_and_the_first_may_stay() {
        let all: Vec<usize> = (0..6).collect();
        let mut firsts = std::collections::BTreeSet::new();
        for seed in 1..200 {
            let seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed);
            let drawn = shuffled(all.clone(), false, seed);
            firsts.insert(drawn[0]);
            let mut sorted = drawn;
            sorted.sort_unstable();
            assert_eq!(sorted, all);
            assert_eq!(shuffled(all.clone(), true, seed)[0], 0);
        }
        assert_eq!(firsts.len(), 6, "each is first somewhere");
        assert_eq!(shuffled(vec![1], true, 9), [1]);
        assert!(shuffled(Vec::<u8>::new(), false, 9).is_empty());
    }
}
