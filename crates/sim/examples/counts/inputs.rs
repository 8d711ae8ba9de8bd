//! What benchmarks are fed with: minions, their grains and returns, and an order.

use std::sync::Arc;

use relay::Peer;
use sim::rng::Rng;
use wire::{
    JobEnvelope, JobOptions, JobOrder, Json, NodeId, Return, Role, RunTarget, SitePath, Timing,
    TreeId, Uid, UnixMillis,
};

pub const NOW: UnixMillis = 1_795_387_000_000;
/// Minions of every benchmark that has many.
pub const MINIONS: u32 = 1_000;
/// Different values among those that are few.
const FEW: u32 = 8;
const SEED: u64 = 1;

pub fn json(text: &str) -> Json {
    text.as_bytes().into()
}

pub fn uid(number: u32) -> Uid {
    let mut bytes = [7; 16];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    Uid(bytes)
}

pub fn top() -> Uid {
    uid(2_000_000)
}

pub fn site(path: &str) -> SitePath {
    path.parse().expect("a site")
}

pub fn minion_id(number: u32) -> NodeId {
    let text = format!("web{number:04}.ams.example.net");
    text.parse().expect("an id")
}

pub fn minion(number: u32, path: &str) -> Peer {
    Peer {
        uid: uid(number),
        id: minion_id(number),
        role: Role::Minion,
        path: site(path),
        fingerprint: [number as u8; 32],
    }
}

pub fn hub(number: u32, role: Role, id: &str, path: &str) -> Peer {
    Peer {
        uid: uid(1_000_000 + number),
        id: id.parse().expect("an id"),
        role,
        path: site(path),
        fingerprint: [number as u8; 32],
    }
}

/// What a small host says of itself.
pub fn grains(number: u32) -> String {
    let os = ["Debian", "Ubuntu", "RedHat", "Alpine"][number as usize % 4];
    let role = ["web", "db", "cache"][number as usize % 3];
    let id = minion_id(number);
    format!(
        r#"{{"id":"{id}","host":"web{number:04}","fqdn":"{id}","domain":"ams.example.net","os":"{os}","os_family":"{os}","osrelease":"12.5","osmajorrelease":12,"oscodename":"bookworm","kernel":"Linux","kernelrelease":"6.1.0-18-amd64","cpuarch":"x86_64","num_cpus":8,"mem_total":32094,"virtual":"kvm","init":"systemd","ps":"ps -efHww","path":"/usr/local/bin:/usr/bin:/bin","shell":"/bin/sh","locale_info":{{"defaultlanguage":"en_US","defaultencoding":"UTF-8","timezone":"UTC"}},"ipv4":["127.0.0.1","10.0.{}.{}"],"ipv6":["::1"],"dns":{{"nameservers":["10.0.0.1","10.0.0.2"],"search":["example.net"]}},"roles":["{role}","base"],"datacenter":{{"name":"ams","rack":"r{}"}}}}"#,
        number / 256,
        number % 256,
        number % 40,
    )
}

/// How alike the values of many minions are, which is what folding lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    Equal,
    Few,
    Unique,
}

impl Values {
    pub const ALL: [Values; 3] = [Values::Equal, Values::Few, Values::Unique];

    pub fn name(self) -> &'static str {
        match self {
            Values::Equal => "equal",
            Values::Few => "few",
            Values::Unique => "unique",
        }
    }

    /// Which value a minion has.
    pub fn of(self, number: u32) -> u32 {
        match self {
            Values::Equal => 0,
            Values::Few => number % FEW,
            Values::Unique => number,
        }
    }

    /// The value: small when all have it, else a hundred bytes.
    pub fn json(self, number: u32) -> Json {
        match self {
            Values::Equal => json("true"),
            Values::Few | Values::Unique => value(100, self.of(number)),
        }
    }
}

/// JSON text of so many bytes, two or more: with its number in it where there is room.
pub fn value(bytes: usize, number: u32) -> Json {
    let inner = bytes - 2;
    let text = format!("{number:0>width$}", width = inner.min(12));
    json(&format!("\"{text:x<inner$}\""))
}

pub fn order() -> JobOrder {
    JobOrder {
        tree: TreeId([1; 32]),
        jid: "20261122223719000000".parse().expect("a jid"),
        origin: top(),
        origin_id: "top".parse().expect("an id"),
        scope: SitePath::top(),
        user: "root".to_owned(),
        target: RunTarget {
            compound: "*".to_owned(),
            typed: "*".to_owned(),
        },
        fun: "cmd.run".to_owned(),
        args: json(r#"["systemctl is-active nginx"]"#),
        kwargs: json(r#"{"timeout":30}"#),
        issued: NOW,
        start_by: NOW + 60_000,
        options: JobOptions::default(),
    }
}

/// Signed by nobody: machines do not look.
pub fn envelope(order: &JobOrder) -> JobEnvelope {
    JobEnvelope {
        order: wire::codec::encode(order).expect("it fits").into(),
        signer: uid(3_000_000),
        signature: [9; 64],
    }
}

pub fn timings() -> Vec<Timing> {
    let mut rng = Rng::new(SEED);
    let timing = |_| Timing {
        start_offset_ms: rng.between(5, 300) as u32,
        duration_ms: rng.between(1, 2_000) as u32,
    };
    (0..MINIONS).map(timing).collect()
}

/// The numbers of all minions as they answer: in no order.
pub fn arrivals() -> Vec<u32> {
    let mut rng = Rng::of(SEED, 1);
    let mut numbers: Vec<u32> = (0..MINIONS).collect();
    for last in (1..numbers.len()).rev() {
        numbers.swap(last, rng.below(last as u64 + 1) as usize);
    }
    numbers
}

pub fn return_of(order: &JobOrder, value: Json, timing: Timing) -> Return {
    Return {
        jid: order.jid,
        retcode: 0,
        success: true,
        value,
        started: order.issued + u64::from(timing.start_offset_ms),
        duration_ms: timing.duration_ms,
    }
}

/// Orders are handed around as machines want them.
pub fn shared(order: &JobOrder) -> Arc<JobOrder> {
    Arc::new(order.clone())
}
