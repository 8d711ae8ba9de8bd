//! Which kinds of things may happen in a world, how often and how long.

use crate::rng::Rng;

/// A kind of world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Its name on the command line.
    pub name: &'static str,
    /// Milliseconds in which things happen.
    pub active_ms: u64,
    /// Milliseconds after the last fault in which everything must be true again.
    pub heal_ms: u64,
    /// Least and most milliseconds from one act to the next.
    pub act_ms: (u64, u64),
    /// Nodes die and pause, links are cut.
    pub faults: bool,
    /// Operators decide about keys, and nodes move.
    pub decisions: bool,
    /// Hubs' databases are wiped, or put back to an old state.
    pub restores: bool,
    /// Clocks differ by up to so much, and jump when a node starts again.
    pub clock_ms: i64,
    /// Highest one-way latency of a link in milliseconds.
    pub latency_max: u64,
    /// Longest cut and longest pause.
    pub outage_ms: u64,
    /// Longest wait between two attempts to connect.
    pub redial_ms: u64,
    /// Bytes of values that hubs save at once.
    pub save_bytes_max: usize,
    /// How long hubs let news wait for more.
    pub gather_ms: u64,
    /// Jobs have targets by pillar, too, and sites have rules about orders from above.
    pub pillars: bool,
    /// Top-masters adopt jobs by themselves whose owners have been gone for so long; 0: an operator has to say so.
    pub adopt_after_ms: u64,
    /// Of a hundred worlds so many have two top-masters.
    pub two_tops_percent: u64,
}

/// What a job may take at most from its submission to its last outcome when nothing fails: its time to start, the slack
/// of the hubs, and the longest function.
const JOB_MS: u64 = 30_000 + 2_000 + 90_000;

impl Plan {
    /// Nothing goes wrong.
    pub const CALM: Plan = Plan {
        name: "calm",
        active_ms: 40_000,
        heal_ms: JOB_MS + 30_000,
        act_ms: (50, 3_000),
        faults: false,
        decisions: false,
        restores: false,
        clock_ms: 0,
        latency_max: 200,
        outage_ms: 30_000,
        redial_ms: 3_000,
        save_bytes_max: relay::SAVE_BYTES_MAX,
        gather_ms: 0,
        pillars: false,
        adopt_after_ms: 0,
        two_tops_percent: 30,
    };

    /// Faults of machines and links, and no decisions about keys.
    pub const FAULTS: Plan = Plan {
        name: "faults",
        faults: true,
        act_ms: (50, 1_200),
        ..Plan::CALM
    };

    /// Everything that can go wrong, does, but for clocks and databases.
    pub const CHAOS: Plan = Plan {
        name: "chaos",
        decisions: true,
        ..Plan::FAULTS
    };

    /// Clocks that differ by minutes: a hub whose clock is behind gives up later by that much.
    pub const CLOCKS: Plan = Plan {
        name: "clocks",
        clock_ms: 300_000,
        heal_ms: Plan::CALM.heal_ms + 2 * 300_000,
        ..Plan::CHAOS
    };

    /// Databases that are lost, or put back from a copy.
    pub const RESTORES: Plan = Plan {
        name: "restores",
        restores: true,
        ..Plan::FAULTS
    };

    /// Accounts that are saved in many parts.
    pub const PARTS: Plan = Plan {
        name: "parts",
        save_bytes_max: 1,
        ..Plan::CHAOS
    };

    /// News waits for more, as in the product; elsewhere it does not, and more is under way at a time.
    pub const GATHERED: Plan = Plan {
        name: "gathered",
        gather_ms: relay::GATHER_MS,
        ..Plan::CLOCKS
    };

    /// More than a day, with cuts of a day and pauses of an hour.
    pub const DAYS: Plan = Plan {
        name: "days",
        active_ms: 30 * 3_600_000,
        act_ms: (1_000, 1_800_000),
        outage_ms: 24 * 3_600_000,
        redial_ms: 60_000,
        heal_ms: Plan::CALM.heal_ms + 60_000,
        ..Plan::CHAOS
    };

    /// Targets and rules that only the minions' own hubs can decide by, and not at once.
    pub const PILLARS: Plan = Plan {
        name: "pillars",
        pillars: true,
        ..Plan::CHAOS
    };

    /// Jobs of top-masters that are gone find new owners by themselves.
    pub const HEIRS: Plan = Plan {
        name: "heirs",
        adopt_after_ms: 8_000,
        two_tops_percent: 100,
        heal_ms: Plan::CALM.heal_ms + 60_000,
        ..Plan::CHAOS
    };

    /// All plans.
    pub const ALL: [Plan; 10] = [
        Plan::CALM,
        Plan::FAULTS,
        Plan::CHAOS,
        Plan::CLOCKS,
        Plan::RESTORES,
        Plan::PARTS,
        Plan::GATHERED,
        Plan::DAYS,
        Plan::PILLARS,
        Plan::HEIRS,
    ];

    /// The plan of this name.
    pub fn named(name: &str) -> Option<Plan> {
        Plan::ALL.into_iter().find(|plan| plan.name == name)
    }

    /// The latency of a new link.
    pub fn latency(&self, rng: &mut Rng) -> u64 {
        match rng.below(3) {
            0 => 0,
            1 => rng.below(20),
            _ => rng.below(self.latency_max + 1),
        }
    }

    /// How far a node's clock is from the world's.
    pub fn some_clock(&self, rng: &mut Rng) -> i64 {
        let most = self.clock_ms;
        rng.below(2 * most as u64 + 1) as i64 - most
    }
}
