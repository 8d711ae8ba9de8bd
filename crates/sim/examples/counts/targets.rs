//! Targets: reading them, and asking for each minion whether it is meant.

use std::hint::black_box;

use serde_json::Value;
use targeting::{Facts, Kind, Nodegroups, Target, Verdict};
use wire::NodeId;

use crate::inputs::{self, MINIONS};
use crate::{Benchmark, Work};

/// Times that each text is read.
const ROUNDS: usize = 20;
/// Ids in the list.
const LISTED: u32 = 100;

/// The name, the text, and how many minions are meant.
type Case = (&'static str, fn() -> String, usize);

const CASES: [Case; 4] = [
    ("glob", || "web0*.ams.example.net".to_owned(), 1_000),
    ("list", list, LISTED as usize),
    (
        "grains",
        || "G@os:Debian and G@datacenter:rack:r1*".to_owned(),
        50,
    ),
    (
        "compound",
        || r"( G@roles:web or E@web\d+4\. ) and not P@os:(Ubuntu|Alpine) and ams/*".to_owned(),
        234,
    ),
];

fn list() -> String {
    let ids: Vec<String> = (0..LISTED)
        .map(|n| inputs::minion_id(n * 7).to_string())
        .collect();
    format!("L@{}", ids.join(","))
}

pub fn benchmarks() -> impl Iterator<Item = Benchmark> {
    CASES.into_iter().flat_map(|(name, text, meant)| {
        [
            Benchmark {
                name: format!("parse/{name}"),
                unit: "target",
                units: ROUNDS,
                prepare: Box::new(move || reads(text())),
            },
            Benchmark {
                name: format!("match/{name}"),
                unit: "minion",
                units: MINIONS as usize,
                prepare: Box::new(move || matches(&text(), meant)),
            },
        ]
    })
}

fn parse(text: &str) -> Target {
    Target::parse(Kind::Compound, text, &Nodegroups::default(), ':').expect("a target")
}

fn reads(text: String) -> Work {
    Box::new(move || {
        for _ in 0..ROUNDS {
            black_box(parse(black_box(&text)));
        }
    })
}

struct Minion {
    id: NodeId,
    grains: Value,
}

impl Facts for Minion {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn path(&self) -> &str {
        "ams"
    }

    fn grains(&self) -> Option<&Value> {
        Some(&self.grains)
    }
}

fn matches(text: &str, meant: usize) -> Work {
    let minion = |number| Minion {
        id: inputs::minion_id(number),
        grains: serde_json::from_str(&inputs::grains(number)).expect("grains are JSON"),
    };
    let minions: Vec<Minion> = (0..MINIONS).map(minion).collect();
    let target = parse(text);
    Box::new(move || {
        let is_meant = |minion: &&Minion| target.matches(*minion) == Verdict::Yes;
        assert_eq!(minions.iter().filter(is_meant).count(), meant);
    })
}
