//! A small world to speak of: few nodes, few jobs, few values, so that words of peers meet.

use relay::Peer;
use wire::{
    Amount, BatchPlan, Between, Halt, Hello, HelloBody, IndexSet, Jid, JobEnvelope, JobOptions,
    JobOrder, Json, KeyDecision, LedgerDelta, Link, NodeEntry, Outcome, OutcomeGroup, Owner,
    PlanRecord, Presence, ProtocolRange, Reason, ReasonCode, Release, Return, Revocation, Role,
    RootsReport, RosterDelta, RosterMark, RunTarget, SignerId, SitePath, Standing, StopOn,
    StopRule, StopScope, Terms, Timing, TreeId, Uid, UnixMillis, Up, ValueRef,
};

use crate::script::Script;

pub(crate) const NOW: UnixMillis = 1_795_387_000_000;

/// Jids of the signer 0, which is the hub under test, and of 7, which is a parent.
const JIDS: [&str; 5] = [
    "20261122223719000100",
    "20261122223719000200",
    "20261122223719000107",
    "20261122223719000207",
    "99999999999999999999",
];
const SITES: [&str; 5] = ["", "a", "a/b", "c", "d/e/f/g/h/i/j/k"];
const TARGETS: [&str; 8] = [
    "*",
    "n1",
    "a/*",
    "L@n1,n6,nobody",
    "G@os:Debian",
    "not G@os:Debian",
    "E@n[0-4]",
    "* and (",
];
const GRAINS: [&str; 5] = [
    r#"{"os":"Debian"}"#,
    r#"{"os":"Arch"}"#,
    "{}",
    "[",
    r#"{"os":["Debian",{"os":null}]}"#,
];
const VALUES: [&str; 4] = [
    "true",
    r#""a value that is longer than what travels with each group""#,
    r#""another value that is longer than what travels with each group""#,
    "",
];

pub(crate) fn json(text: &str) -> Json {
    text.as_bytes().into()
}

impl Script<'_> {
    pub(crate) fn jid(&mut self) -> Jid {
        self.one_of(&JIDS).parse().expect("a jid")
    }

    pub(crate) fn site(&mut self) -> SitePath {
        self.one_of(&SITES).parse().expect("a site")
    }

    pub(crate) fn grains(&mut self) -> Json {
        json(self.one_of(&GRAINS))
    }

    pub(crate) fn uid(&mut self) -> Uid {
        Uid([self.below(12); 16])
    }

    pub(crate) fn time(&mut self) -> UnixMillis {
        match self.byte() {
            255 => u64::MAX,
            254 => 0,
            after => NOW + 100 * u64::from(after),
        }
    }

    pub(crate) fn text(&mut self) -> String {
        match self.byte() {
            0..=200 => String::new(),
            201..=249 => "because".to_owned(),
            // Three of them fill a frame.
            255 => "ä".repeat(3 << 19),
            length => "ä".repeat(usize::from(length)),
        }
    }

    pub(crate) fn reason(&mut self) -> Reason {
        let codes = [
            ReasonCode::MinionDown,
            ReasonCode::SiteCutOff,
            ReasonCode::ConnectionLost,
            ReasonCode::Interrupted,
            ReasonCode::Refused,
            ReasonCode::NotStarted,
            ReasonCode::NotDelivered,
            ReasonCode::Overload,
            ReasonCode::Removed,
            ReasonCode::Halted,
            ReasonCode::Cancelled,
            ReasonCode::TooOld,
        ];
        Reason {
            code: self.one_of(&codes),
            text: self.text(),
            since: self.time(),
        }
    }

    pub(crate) fn value(&mut self) -> Json {
        json(self.one_of(&VALUES))
    }

    pub(crate) fn standing(&mut self) -> Standing {
        self.one_of(&[
            Standing::Accepted,
            Standing::Pending,
            Standing::Rejected,
            Standing::Denied,
        ])
    }

    fn link(&mut self) -> Link {
        Link {
            presence: self.one_of(&[Presence::Up, Presence::Down, Presence::CutOff]),
            since: self.time(),
        }
    }

    pub(crate) fn index(&mut self) -> u32 {
        match self.byte() {
            255 => u32::MAX,
            254 => self.number32(),
            small => u32::from(small % 16),
        }
    }

    /// Mostly a few numbers; now and then very many, which take few bytes as well.
    pub(crate) fn indices(&mut self) -> IndexSet {
        if self.byte() < 250 {
            return self.some(4, Self::index).into_iter().collect();
        }
        let first = self.number32();
        (first..first.saturating_add(1 << 17)).collect()
    }

    pub(crate) fn mark(&mut self) -> RosterMark {
        RosterMark {
            epoch: self.one_of(&[0, 7, 42]),
            revision: self.number(),
        }
    }

    pub(crate) fn roots(&mut self) -> RootsReport {
        RootsReport {
            commit: self
                .one_of(&["", "0123456789012345678901234567890123456789"])
                .to_owned(),
            since: self.time(),
            checked: self.time(),
            error: self.yes().then(|| self.text()),
        }
    }

    pub(crate) fn returned(&mut self) -> Return {
        Return {
            jid: self.jid(),
            retcode: self.one_of(&[0, 1, i32::MIN]),
            success: !self.yes(),
            value: self.value(),
            started: self.time(),
            duration_ms: self.number32(),
        }
    }

    fn outcome(&mut self) -> Outcome {
        match self.below(11) {
            10 => Outcome::Held {
                reason: self.reason(),
                round: self.number32(),
            },
            0 => Outcome::Queued,
            1 => Outcome::Running,
            2 | 3 => Outcome::Returned {
                retcode: self.one_of(&[0, 1]),
                success: !self.yes(),
                value: match self.below(3) {
                    0 => ValueRef::Inline(self.value()),
                    1 => ValueRef::Define(self.index(), self.value()),
                    _ => ValueRef::Known(self.index()),
                },
            },
            4 => Outcome::Unreachable(self.reason()),
            5 => Outcome::Lost(self.reason()),
            6 => Outcome::Refused(self.reason()),
            7 => Outcome::Expired(self.reason()),
            8 => Outcome::Withdrawn,
            _ => Outcome::Undecided(self.reason()),
        }
    }

    pub(crate) fn ledger(&mut self) -> LedgerDelta {
        LedgerDelta {
            jid: self.jid(),
            serial: self.number32(),
            roster: u32::from(self.below(4)),
            complete: self.yes(),
            groups: self.some(4, |script| OutcomeGroup {
                outcome: script.outcome(),
                who: script.indices(),
                timings: script.some(3, |script| Timing {
                    start_offset_ms: script.number32(),
                    duration_ms: script.number32(),
                }),
            }),
        }
    }

    fn entry(&mut self) -> NodeEntry {
        let number = self.below(12);
        NodeEntry {
            index: self.index(),
            uid: Uid([number; 16]),
            id: self.id(number),
            role: self.one_of(&[Role::Minion, Role::Syndic, Role::TopMaster]),
            path: self.site(),
            fingerprint: [number; 32],
            standing: (self.byte() < 220).then(|| self.standing()),
            link: self.link(),
            software: self.text(),
            grains: self.yes().then(|| self.grains()),
            roots: self.yes().then(|| self.roots()),
            job_key: self.yes().then_some([number; 32]),
        }
    }

    /// Its own id, or that of another.
    fn id(&mut self, number: u8) -> wire::NodeId {
        let number = if self.byte() < 220 {
            number
        } else {
            self.below(12)
        };
        format!("n{number}").parse().expect("an id")
    }

    pub(crate) fn roster(&mut self) -> RosterDelta {
        RosterDelta {
            serial: self.number32(),
            mark: self.mark(),
            snapshot: self.yes(),
            done: self.yes(),
            entries: self.some(4, Self::entry),
            links: self.some(2, |script| (script.link(), script.indices())),
        }
    }

    pub(crate) fn revocations(&mut self) -> Vec<Revocation> {
        self.some(3, |script| Revocation {
            uid: script.uid(),
            at: script.time(),
            revoked: !script.yes(),
        })
    }

    pub(crate) fn decision(&mut self) -> KeyDecision {
        self.one_of(&[
            KeyDecision::Accept,
            KeyDecision::Reject,
            KeyDecision::Delete,
            KeyDecision::Deny,
        ])
    }

    fn protocol(&mut self) -> ProtocolRange {
        match self.byte() {
            255 => ProtocolRange { min: 90, max: 99 },
            254 => ProtocolRange { min: 9, max: 0 },
            128..=253 => ProtocolRange { min: 1, max: 1 },
            _ => ProtocolRange::OURS,
        }
    }

    pub(crate) fn hello(&mut self, role: Role) -> Hello {
        let role = if self.byte() < 250 {
            role
        } else {
            Role::Syndic
        };
        Hello {
            protocol: self.protocol(),
            software: self.text(),
            trust_version: self.number(),
            body: match role {
                Role::Minion => HelloBody::Minion {
                    grains: self.grains(),
                    running: self.some(3, Self::jid),
                    unsettled: self.some(3, Self::jid),
                },
                _ => HelloBody::Syndic {
                    roster: self.mark(),
                    job_key: self.yes().then_some([3; 32]),
                },
            },
        }
    }

    /// What a child of this role says after its hello, or should not say.
    pub(crate) fn up(&mut self, role: Role) -> Up {
        let kind = match (role, self.byte()) {
            (_, 255) => 13,
            (Role::Syndic, 254) => 15,
            (Role::Syndic, 253) => 14,
            (Role::Syndic, 251) => 16,
            (_, 252..) => 12,
            (_, any @ 240..) => any % 11,
            (Role::Minion, any) => any % 5,
            (_, any @ 230..) => 11 - any % 2,
            (_, any) => 5 + any % 5,
        };
        match kind {
            0 => Up::Started { jid: self.jid() },
            1 => Up::Return(self.returned()),
            2 => Up::NotRun {
                jid: self.jid(),
                started: self.yes(),
                reason: self.reason(),
            },
            3 => Up::Grains(self.grains()),
            4 => Up::Pong {
                nonce: self.number(),
            },
            5 => Up::Roster(self.roster()),
            6 => Up::Ledger(self.ledger()),
            7 => Up::Resumed {
                ledgers: self.number(),
            },
            8 => Up::Revoked(self.revocations()),
            9 => Up::Roots(self.roots()),
            11 => Up::Recalled {
                jid: self.jid(),
                envelope: self.yes().then(|| self.envelope()),
            },
            12 => Up::Steps {
                jid: self.jid(),
                steps: wire::Steps {
                    done: self.number(),
                    total: self.number(),
                    failed: self.number(),
                },
            },
            14 => Up::Owned {
                jid: self.jid(),
                owner: self.owner(),
                rollout: self.rollout(),
            },
            15 => Up::Witness {
                top: self.uid(),
                away_ms: self.yes().then(|| self.number()),
                tops: self.some(3, Script::uid),
            },
            16 => Up::Inquired {
                jid: self.jid(),
                findings: self.some(3, |script| wire::Finding {
                    stance: wire::Stance::Let,
                    reason: script.text(),
                    who: script.release().who,
                }),
            },
            13 => Up::Events(wire::Events {
                events: self.some(3, Script::event),
                dropped: self.number(),
            }),
            _ => Up::Hello(self.hello(role)),
        }
    }

    pub(crate) fn terms(&mut self) -> Terms {
        Terms {
            hold: self.yes(),
            by_release: self.yes(),
        }
    }

    pub(crate) fn owner(&mut self) -> Owner {
        Owner {
            term: u32::from(self.below(4)),
            hub: self.uid(),
        }
    }

    /// What is said of a rollout, in any order.
    pub(crate) fn rollout(&mut self) -> Vec<PlanRecord> {
        self.some(6, |script| match script.below(8) {
            0 => PlanRecord::Terms(script.terms()),
            1 => PlanRecord::Plan(script.plan()),
            2 => PlanRecord::Begun {
                expected: script.number(),
            },
            3 => PlanRecord::Stage(script.number32()),
            4 => PlanRecord::StageOver {
                stage: script.number32(),
                at: script.time(),
            },
            5 => PlanRecord::Halted(script.halt()),
            6 => PlanRecord::Owned(script.owner()),
            _ => PlanRecord::Released(script.release()),
        })
    }

    pub(crate) fn release(&mut self) -> Release {
        Release {
            round: self.number32(),
            until: self.time(),
            who: self.indices(),
        }
    }

    pub(crate) fn halt(&mut self) -> Halt {
        Halt {
            reason: self.reason(),
            site: self.yes().then(|| self.site()),
        }
    }

    fn amount(&mut self) -> Amount {
        match self.byte() {
            small @ 0..=127 => Amount::Count(1 + u32::from(small % 4)),
            part => Amount::Percent(100 * u32::from(part - 127).min(100)),
        }
    }

    /// As an operator may ask for it.
    pub(crate) fn plan(&mut self) -> BatchPlan {
        BatchPlan {
            size: self.yes().then(|| self.amount()),
            per_site: self.yes().then(|| 1 + u32::from(self.below(3))),
            wait_ms: u64::from(self.byte()),
            stages: self.some(3, Self::amount),
            between: match self.below(3) {
                0 => Between::Nothing,
                1 => Between::Pause(u64::from(self.byte())),
                _ => Between::Confirm,
            },
            stops: self.some(2, |script| StopRule {
                on: script.one_of(&[StopOn::Failed, StopOn::Unreachable]),
                at: script.amount(),
                scope: script.one_of(&[StopScope::Fleet, StopScope::Site]),
            }),
        }
    }

    pub(crate) fn order(&mut self) -> JobOrder {
        let jid = self.jid();
        JobOrder {
            tree: TreeId([1; 32]),
            jid,
            origin: Uid([100; 16]),
            origin_id: "hub".parse().expect("an id"),
            scope: self.site(),
            user: "root".to_owned(),
            target: RunTarget {
                compound: self.one_of(&TARGETS).to_owned(),
                typed: String::new(),
            },
            fun: self.one_of(&["test.ping", "saltutil.term_job"]).to_owned(),
            args: json("[]"),
            kwargs: json("{}"),
            issued: self.time(),
            start_by: self.time(),
            options: JobOptions::default(),
        }
    }

    /// An order in an envelope that nobody signed, or bytes that are none.
    pub(crate) fn envelope(&mut self) -> JobEnvelope {
        let order = self.order();
        let order = if self.byte() < 250 {
            wire::codec::encode(&order).expect("it is short")
        } else {
            self.bytes().to_vec()
        };
        JobEnvelope {
            order: order.into(),
            signer: SignerId::from(Uid([5; 16])),
            signature: [self.below(2); 64],
        }
    }
}

/// A node of the world: its number is its key and its id.
pub(crate) fn peer(number: u8, role: Role, site: &str) -> Peer {
    Peer {
        uid: Uid([number; 16]),
        id: format!("n{number}").parse().expect("an id"),
        role,
        path: site.parse().expect("a site"),
        fingerprint: [number; 32],
    }
}
