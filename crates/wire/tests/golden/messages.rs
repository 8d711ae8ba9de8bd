//! What travels on a link.

use wire::{
    Down, Hello, HelloBody, IndexSet, Jid, JobEnvelope, JobOptions, JobOrder, Json, KeyDecision,
    LedgerDelta, Link, NodeEntry, Outcome, OutcomeGroup, Presence, ProtocolRange, Reason,
    ReasonCode, Refusal, RefusalCode, Return, Revocation, Role, RootsReport, RosterDelta,
    RosterMark, RunTarget, SitePath, Standing, Timing, TreeId, Uid, Up, ValueRef, Welcome,
};

use crate::{Sample, sample};

/// Protocol 1, whatever this build speaks.
const ONE: ProtocolRange = ProtocolRange { min: 1, max: 1 };

pub fn json(text: &str) -> Json {
    text.as_bytes().into()
}

pub fn jid() -> Jid {
    "20261122223719123007".parse().expect("a jid")
}

pub fn site() -> SitePath {
    "eu/ams".parse().expect("a site")
}

pub fn reason(code: ReasonCode) -> Reason {
    Reason {
        code,
        text: "why".to_owned(),
        since: 1_795_387_039_123,
    }
}

pub fn link() -> Link {
    Link {
        presence: Presence::CutOff,
        since: 1_795_387_039_123,
    }
}

pub fn roots() -> RootsReport {
    RootsReport {
        commit: "0123456789012345678901234567890123456789".to_owned(),
        since: 1,
        checked: 300,
        error: Some("unreachable".to_owned()),
    }
}

pub fn returned() -> Return {
    Return {
        jid: jid(),
        retcode: -1,
        success: true,
        value: json("true"),
        started: 1_795_387_039_123,
        duration_ms: 70_000,
    }
}

pub fn envelope() -> JobEnvelope {
    JobEnvelope {
        order: json("order"),
        signer: Uid([2; 16]),
        signature: [3; 64],
    }
}

pub fn revocation() -> Revocation {
    Revocation {
        uid: Uid([4; 16]),
        at: 251,
        revoked: true,
    }
}

/// Few numbers, and a run of many.
fn who() -> IndexSet {
    [1, 5, 70_000].into_iter().chain(100..400).collect()
}

/// A delta with each outcome.
pub fn ledger() -> LedgerDelta {
    let returned = |value| Outcome::Returned {
        retcode: 0,
        success: true,
        value,
    };
    let outcomes = [
        Outcome::Queued,
        Outcome::Running,
        returned(ValueRef::Inline(json("1"))),
        returned(ValueRef::Define(7, json("[2]"))),
        returned(ValueRef::Known(7)),
        Outcome::Unreachable(reason(ReasonCode::SiteCutOff)),
        Outcome::Lost(reason(ReasonCode::Interrupted)),
        Outcome::Refused(reason(ReasonCode::Removed)),
        Outcome::Expired(reason(ReasonCode::NotStarted)),
        Outcome::Withdrawn,
        Outcome::Undecided(reason(ReasonCode::MinionDown)),
    ];
    LedgerDelta {
        jid: jid(),
        serial: 3,
        roster: 2,
        complete: true,
        groups: outcomes
            .into_iter()
            .map(|outcome| OutcomeGroup {
                timings: match outcome {
                    Outcome::Returned { .. } => vec![Timing {
                        start_offset_ms: 5,
                        duration_ms: 1_000,
                    }],
                    _ => Vec::new(),
                },
                outcome,
                who: [9].into_iter().collect(),
            })
            .collect(),
    }
}

fn entry() -> NodeEntry {
    NodeEntry {
        index: 70_000,
        uid: Uid([5; 16]),
        id: "web1.example".parse().expect("an id"),
        role: Role::Syndic,
        path: site(),
        fingerprint: [6; 32],
        standing: Some(Standing::Denied),
        link: link(),
        software: "0.1.0".to_owned(),
        grains: Some(json("{}")),
        roots: Some(roots()),
        job_key: Some([7; 32]),
    }
}

fn hello(body: HelloBody) -> Up {
    Up::Hello(Hello {
        protocol: ONE,
        software: "0.1.0".to_owned(),
        trust_version: 4,
        body,
    })
}

#[rustfmt::skip] // A table is read in rows.
pub fn up() -> Vec<Sample> {
    let minion = HelloBody::Minion {
        grains: json("{}"),
        running: vec![jid()],
        unsettled: vec![jid(), jid()],
    };
    let mark = RosterMark { epoch: u64::MAX, revision: 9 };
    let roster = RosterDelta {
        serial: 1,
        mark,
        snapshot: true,
        done: false,
        entries: vec![entry()],
        links: vec![(link(), who())],
    };
    let not_run = Up::NotRun { jid: jid(), started: true, reason: reason(ReasonCode::Overload) };
    vec![
        sample!("up.hello.minion", Up, hello(minion)),
        sample!("up.hello.syndic", Up, hello(HelloBody::Syndic { roster: mark, job_key: Some([7; 32]) })),
        sample!("up.hello.syndic.keyless", Up, hello(HelloBody::Syndic { roster: mark, job_key: None })),
        sample!("up.pong", Up, Up::Pong { nonce: 251 }),
        sample!("up.started", Up, Up::Started { jid: jid() }),
        sample!("up.return", Up, Up::Return(returned())),
        sample!("up.not-run", Up, not_run),
        sample!("up.grains", Up, Up::Grains(json("{}"))),
        sample!("up.roster", Up, Up::Roster(roster)),
        sample!("up.ledger", Up, Up::Ledger(ledger())),
        sample!("up.resumed", Up, Up::Resumed { ledgers: 65_536 }),
        sample!("up.revoked", Up, Up::Revoked(vec![revocation()])),
        sample!("up.roots", Up, Up::Roots(roots())),
    ]
}

#[rustfmt::skip] // A table is read in rows.
pub fn down() -> Vec<Sample> {
    let welcome = Welcome {
        protocol: 1,
        software: "0.1.0".to_owned(),
        time: 1_795_387_039_123,
        roster: RosterMark { epoch: 7, revision: 9 },
    };
    let refuse = |code| Down::Refuse(Refusal { code, text: "why".to_owned() });
    let keys = |decision| Down::Keys { uids: vec![Uid([4; 16])], decision };
    vec![
        sample!("down.welcome", Down, Down::Welcome(welcome)),
        sample!("down.refuse.protocol", Down, refuse(RefusalCode::Protocol)),
        sample!("down.refuse.key", Down, refuse(RefusalCode::Key)),
        sample!("down.refuse.duplicate-id", Down, refuse(RefusalCode::DuplicateId)),
        sample!("down.refuse.superseded", Down, refuse(RefusalCode::Superseded)),
        sample!("down.refuse.forbidden", Down, refuse(RefusalCode::Forbidden)),
        sample!("down.refuse.malformed", Down, refuse(RefusalCode::Malformed)),
        sample!("down.refuse.overload", Down, refuse(RefusalCode::Overload)),
        sample!("down.refuse.stopping", Down, refuse(RefusalCode::Stopping)),
        sample!("down.ping", Down, Down::Ping { nonce: 250 }),
        sample!("down.job", Down, Down::Job(envelope())),
        sample!("down.settled", Down, Down::Settled(vec![jid()])),
        sample!("down.settled-by", Down, Down::SettledBy { jid: jid(), who: who() }),
        sample!("down.ledger-ack", Down, Down::LedgerAck { jid: jid(), serial: 300 }),
        sample!("down.trust", Down, Down::Trust(json("bundle"))),
        sample!("down.revoked", Down, Down::Revoked(vec![revocation()])),
        sample!("down.keys.accept", Down, keys(KeyDecision::Accept)),
        sample!("down.keys.reject", Down, keys(KeyDecision::Reject)),
        sample!("down.keys.delete", Down, keys(KeyDecision::Delete)),
        sample!("down.keys.deny", Down, keys(KeyDecision::Deny)),
        sample!("down.fetch-roots", Down, Down::FetchRoots),
    ]
}

/// An order is signed as bytes: another encoding would make each old signature wrong.
pub fn job() -> Vec<Sample> {
    let order = |options| JobOrder {
        tree: TreeId([1; 32]),
        jid: jid(),
        origin: Uid([8; 16]),
        origin_id: "top".parse().expect("an id"),
        scope: site(),
        user: "root".to_owned(),
        target: RunTarget {
            compound: "web*".to_owned(),
            typed: "web*".to_owned(),
        },
        fun: "test.ping".to_owned(),
        args: json("[]"),
        kwargs: json("{}"),
        issued: 1_795_387_039_123,
        start_by: 1_795_387_049_123,
        options,
    };
    let options = JobOptions {
        run_ms_max: Some(60_000),
        roots: Some(roots().commit),
    };
    vec![
        sample!("job.order", JobOrder, order(options)),
        sample!("job.order.plain", JobOrder, order(JobOptions::default())),
        sample!("job.envelope", JobEnvelope, envelope()),
    ]
}
