//! The one gate: which peer may say what. Handlers take only what passed it.

use wire::{NodeId, PlanRecord, Role, SitePath, Uid, Up, limits};

use crate::planted::{self, Bug};

/// Who is at the other end of a link, as its certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its key.
    pub uid: Uid,
    /// Its label.
    pub id: NodeId,
    /// What it is.
    pub role: Role,
    /// The site that it belongs to, or serves.
    pub path: SitePath,
    /// SHA-256 of its public key.
    pub fingerprint: [u8; 32],
}

/// A message whose sender may say it. Only [`authorize`] makes one.
#[derive(Debug)]
pub struct Authorized<M>(M);

impl<M> Authorized<M> {
    /// The message.
    pub fn into_inner(self) -> M {
        self.0
    }
}

/// A message that its sender may not say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A message of another role.
    #[error("a {role} may not send {message}")]
    Role {
        /// The sender's role.
        role: Role,
        /// The message's name.
        message: &'static str,
    },
    /// A node outside of the sender's subtree.
    #[error("{id} at {path} is outside of the sender's site")]
    Outside {
        /// The node that was named.
        id: NodeId,
        /// Where it was said to be.
        path: SitePath,
    },
    /// Events that are too many for one message, or too long.
    #[error("events beyond what one message may hold")]
    Events,
    /// A message about more minions than one may hold.
    #[error("one message names {0} minions")]
    Many(usize),
    /// An answer to an inquiry with more parts than one may have.
    #[error("one answer has {0} findings")]
    Findings(usize),
}

/// Lets a child's message pass, or says why not.
///
/// # Errors
/// [`Violation`] when the role does not send such messages, when a syndic speaks of a node outside of its own site, or of
/// more minions than a message may name. The caller closes the link.
pub fn authorize(peer: &Peer, message: Up) -> Result<Authorized<Up>, Violation> {
    let (name, minion, syndic) = match &message {
        Up::Hello(hello) => match hello.body {
            wire::HelloBody::Minion { .. } => ("a minion's hello", true, false),
            wire::HelloBody::Syndic { .. } => ("a syndic's hello", false, true),
        },
        Up::Pong { .. } => ("pong", true, true),
        Up::Started { .. } => ("started", true, false),
        Up::Steps { .. } => ("steps", true, true),
        Up::Return(_) => ("return", true, false),
        Up::NotRun { .. } => ("not-run", true, false),
        Up::Grains(_) => ("grains", true, false),
        Up::Roster(_) => ("roster", false, true),
        Up::Ledger(_) => ("ledger", false, true),
        Up::Resumed { .. } => ("resumed", false, true),
        Up::Revoked(_) => ("revoked", false, true),
        Up::Roots(_) => ("roots", false, true),
        Up::Recalled { .. } => ("recalled", false, true),
        Up::Events(_) => ("events", true, true),
        Up::Owned { .. } => ("owned", false, true),
        Up::Witness { .. } => ("witness", false, true),
        Up::Inquired { .. } => ("inquired", false, true),
    };
    let allowed = match peer.role {
        Role::Minion => minion,
        Role::Syndic => syndic,
        Role::TopMaster => false,
    };
    if !allowed {
        return Err(Violation::Role {
            role: peer.role,
            message: name,
        });
    }
    if let Up::Roster(delta) = &message
        && !planted::is(Bug::GateOpen)
        && let Some(entry) = delta.entries.iter().find(|e| !peer.path.contains(&e.path))
    {
        return Err(Violation::Outside {
            id: entry.id.clone(),
            path: entry.path.clone(),
        });
    }
    if let Up::Events(told) = &message {
        may_tell(peer, told)?;
    }
    if let Up::Inquired { findings, .. } = &message
        && findings.len() > limits::MAX_FINDINGS
    {
        return Err(Violation::Findings(findings.len()));
    }
    // Each is looked up, and a few bytes can name very many, again and again.
    let (named, most) = match &message {
        Up::Ledger(delta) => (
            delta.groups.iter().map(|group| group.who.len()).sum(),
            limits::LEDGER_ROWS_PER_FRAME,
        ),
        Up::Owned { rollout, .. } => (
            rollout
                .iter()
                .map(|entry| match entry {
                    PlanRecord::Released(release) => release.who.len(),
                    PlanRecord::TurnedDown(who) => who.len(),
                    _ => 0,
                })
                .sum(),
            limits::MAX_INDICES,
        ),
        Up::Inquired { findings, .. } => (
            findings.iter().map(|finding| finding.who.len()).sum(),
            limits::MAX_INDICES,
        ),
        Up::Roster(delta) => (
            delta.links.iter().map(|(_, who)| who.len()).sum(),
            limits::MAX_INDICES,
        ),
        _ => (0, 0),
    };
    if named > most {
        return Err(Violation::Many(named));
    }
    Ok(Authorized(message))
}

/// Whether a child may tell these events: a minion its own, a syndic those of its site, and none beyond the limits.
///
/// # Errors
/// [`Violation`].
pub fn may_tell(peer: &Peer, told: &wire::Events) -> Result<(), Violation> {
    if !told.are_bounded() {
        return Err(Violation::Events);
    }
    match told.events.iter().find(|event| !is_source(peer, event)) {
        None => Ok(()),
        Some(event) => Err(Violation::Outside {
            id: event.id.clone(),
            path: event.path.clone(),
        }),
    }
}

/// Whether a peer may tell this event: a minion its own, a syndic those of its site.
fn is_source(peer: &Peer, event: &wire::Event) -> bool {
    match peer.role {
        // Its site is that of its certificate, whatever it says.
        Role::Minion => event.id == peer.id,
        Role::Syndic => peer.path.contains(&event.path),
        Role::TopMaster => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{
        Hello, HelloBody, Jid, LedgerDelta, Link, NodeEntry, Presence, ProtocolRange, Return,
        RootsReport, RosterDelta, RosterMark,
    };

    fn peer(role: Role, path: &str) -> Peer {
        Peer {
            uid: Uid([1; 16]),
            id: "n".parse().unwrap(),
            role,
            path: path.parse().unwrap(),
            fingerprint: [0; 32],
        }
    }

    fn roster(path: &str) -> Up {
        Up::Roster(RosterDelta {
            serial: 1,
            mark: RosterMark::default(),
            snapshot: false,
            done: true,
            links: vec![],
            entries: vec![NodeEntry {
                index: 0,
                uid: Uid([2; 16]),
                id: "m".parse().unwrap(),
                role: Role::Minion,
                path: path.parse().unwrap(),
                fingerprint: [0; 32],
                standing: None,
                link: Link {
                    presence: Presence::Down,
                    since: 0,
                },
                software: String::new(),
                grains: None,
                roots: None,
                job_key: None,
            }],
        })
    }

    #[test]
    fn each_role_sends_only_its_own_messages() {
        let jid: Jid = "20260101000000000000".parse().unwrap();
        let hello = |body| {
            Up::Hello(Hello {
                protocol: ProtocolRange::OURS,
                software: String::new(),
                trust_version: 0,
                body,
            })
        };
        let empty: wire::Json = b"null".as_slice().into();
        let reason = wire::Reason {
            code: wire::ReasonCode::Refused,
            text: String::new(),
            since: 0,
        };
        // message, minion may, syndic may
        let table = [
            (
                hello(HelloBody::Minion {
                    grains: empty.clone(),
                    running: vec![],
                    unsettled: vec![],
                }),
                true,
                false,
            ),
            (
                hello(HelloBody::Syndic {
                    roster: RosterMark::default(),
                    job_key: None,
                }),
                false,
                true,
            ),
            (Up::Pong { nonce: 1 }, true, true),
            (Up::Started { jid }, true, false),
            (
                Up::Steps {
                    jid,
                    steps: wire::Steps::default(),
                },
                true,
                true,
            ),
            (
                Up::Return(Return {
                    jid,
                    retcode: 0,
                    success: true,
                    value: empty.clone(),
                    started: 0,
                    duration_ms: 0,
                }),
                true,
                false,
            ),
            (
                Up::NotRun {
                    jid,
                    started: false,
                    reason,
                },
                true,
                false,
            ),
            (Up::Grains(empty), true, false),
            (roster("eu/ams"), false, true),
            (
                Up::Ledger(LedgerDelta {
                    jid,
                    serial: 1,
                    roster: 0,
                    complete: true,
                    groups: vec![],
                }),
                false,
                true,
            ),
            (Up::Resumed { ledgers: 0 }, false, true),
            (Up::Revoked(vec![]), false, true),
            (Up::Roots(RootsReport::default()), false, true),
        ];
        for (message, minion, syndic) in table {
            assert_eq!(
                authorize(&peer(Role::Minion, "eu/ams"), message.clone()).is_ok(),
                minion,
                "{message:?}"
            );
            assert_eq!(
                authorize(&peer(Role::Syndic, "eu/ams"), message.clone()).is_ok(),
                syndic,
                "{message:?}"
            );
            assert!(authorize(&peer(Role::TopMaster, ""), message).is_err());
        }
    }

    fn event(id: &str, path: &str) -> Up {
        Up::Events(wire::Events {
            events: vec![wire::Event {
                id: id.parse().unwrap(),
                path: path.parse().unwrap(),
                number: 1,
                stamp: 0,
                jid: None,
                tag: "a/b".to_owned(),
                data: b"{}".as_slice().into(),
            }],
            dropped: 0,
        })
    }

    #[test]
    fn events_are_told_by_the_minion_itself_or_a_hub_above_it() {
        // id, site, its minion may, its syndic may
        for (id, path, minion, syndic) in [
            ("n", "eu/ams", true, true),
            ("m", "eu/ams", false, true),
            ("n", "eu/ams/hall", true, true),
            ("n", "eu", true, false),
            ("m", "us", false, false),
        ] {
            let may = |role| authorize(&peer(role, "eu/ams"), event(id, path)).is_ok();
            assert_eq!(may(Role::Minion), minion, "{id} {path}");
            assert_eq!(may(Role::Syndic), syndic, "{id} {path}");
            assert!(!may(Role::TopMaster));
        }
    }

    #[test]
    fn a_syndic_speaks_only_for_its_own_site() {
        for (path, good) in [
            ("eu/ams", true),
            ("eu/ams/hall", true),
            ("eu", false),
            ("eu/fra", false),
            ("", false),
            ("eu/amst", false),
        ] {
            assert_eq!(
                authorize(&peer(Role::Syndic, "eu/ams"), roster(path)).is_ok(),
                good,
                "{path}"
            );
        }
    }
}
