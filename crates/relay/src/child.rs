//! Sessions of children: minions and syndics that are connected to this very hub.

mod minion;
mod syndic;

use std::sync::Arc;

use wire::{
    Down, Hello, HelloBody, Jid, ProtocolRange, Refusal, RefusalCode, Revocation, Role, UnixMillis,
    Up, Welcome,
};

use crate::LinkId;
use crate::arrivals::Arrivals;
use crate::bounds;
use crate::exchange::HubOutput;
use crate::gate::{Peer, authorize};
use crate::hub::{Held, Hub, Timer};
use crate::planted::{self, Bug};
use crate::probe::Probe;
use crate::roster::ConnectError;
use crate::state::State;

/// One session.
#[derive(Debug)]
pub(crate) struct Child {
    pub peer: Arc<Peer>,
    /// This hub's number for it; None until its hello was answered.
    pub index: Option<u32>,
    /// What the session is in; 0 until its hello was answered.
    pub protocol: u16,
    pub heard: UnixMillis,
    pub probe: Option<Probe>,
    /// Jobs that were sent and whose outcome is open.
    pub outstanding: u32,
    /// Settled jobs that a minion has not been told of yet.
    pub settled: Vec<Jid>,
    /// A syndic's long frames, put back in order.
    pub arrivals: Arrivals,
    /// It was told that its session ends: what it said before it heard that is no longer listened to.
    pub is_refused: bool,
}

impl Child {
    pub(crate) fn is_up(&self) -> bool {
        self.index.is_some()
    }
}

impl Hub {
    pub(crate) fn child_connected(&mut self, link: LinkId, peer: Peer) {
        let child = Child {
            peer: Arc::new(peer),
            index: None,
            protocol: 0,
            heard: self.now,
            probe: None,
            outstanding: 0,
            settled: Vec::new(),
            arrivals: Arrivals::default(),
            is_refused: false,
        };
        self.children.insert(link, child);
    }

    /// Tells a child why and ends its session; the shell's word that it is closed follows.
    pub(crate) fn refuse_child(&mut self, link: LinkId, code: RefusalCode, text: &str) {
        let refusal = Refusal {
            code,
            text: text.to_owned(),
        };
        if let Some(child) = self.children.get_mut(&link) {
            child.is_refused = !planted::is(Bug::HearsRefused);
        }
        self.outputs
            .push_back(HubOutput::CloseChild { link, refusal });
    }

    pub(crate) fn child_message(&mut self, link: LinkId, message: Up) {
        let Some(child) = self.children.get(&link).filter(|c| !c.is_refused) else {
            return;
        };
        let up = child.is_up();
        let peer = child.peer.clone();
        self.heard(link);
        let message = match authorize(&peer, message) {
            Ok(message) => message.into_inner(),
            Err(violation) => {
                self.refused += 1;
                self.outputs.push_back(HubOutput::Alarm(format!(
                    "{} {}: {violation}",
                    peer.role, peer.id
                )));
                self.refuse_child(link, RefusalCode::Forbidden, &violation.to_string());
                return;
            }
        };
        match (message, up) {
            (Up::Hello(hello), false) => self.hello(link, &peer, hello),
            (Up::Hello(_), true) | (_, false) => {
                self.refused += 1;
                self.refuse_child(
                    link,
                    RefusalCode::Malformed,
                    "a session begins with one hello",
                );
            }
            (Up::Pong { .. }, true) => {}
            (Up::Started { jid }, true) => self.minion_says(link, jid, |_| State::Running),
            (Up::Steps { jid, steps }, true) => self.steps_told(link, jid, steps),
            (Up::Return(ret), true) => self.returned(link, ret),
            (
                Up::NotRun {
                    jid,
                    started,
                    reason,
                },
                true,
            ) => self.not_run(link, jid, started, reason),
            (Up::Grains(grains), true) => self.grains(link, grains),
            (Up::Roster(delta), true) => self.arrived(link, &peer, |a| a.roster(delta)),
            (Up::Ledger(delta), true) => self.arrived(link, &peer, |a| a.ledger(delta)),
            (Up::Resumed { ledgers }, true) => self.arrived(link, &peer, |a| a.resumed(ledgers)),
            (Up::Revoked(news), true) => self.child_revoked(link, &peer, news),
            (Up::Roots(report), true) => {
                self.roster.set_roots(peer.uid, bounds::roots(report));
                self.flush_soon();
            }
            (Up::Recalled { jid, envelope }, true) => self.order_told(peer.uid, jid, envelope),
            (
                Up::Owned {
                    jid,
                    owner,
                    rollout,
                },
                true,
            ) => self.owned_below(link, peer.uid, jid, owner, rollout),
            (Up::Witness { top, away_ms, tops }, true) => {
                self.witness_heard(peer.uid, top, away_ms, &tops);
            }
            (Up::Inquired { jid, findings }, true) => {
                self.inquired_below(link, peer.uid, jid, findings);
            }
            // The shell reads them beside the machine: they change nothing here.
            (Up::Events(_), true) => {}
        }
    }

    fn hello(&mut self, link: LinkId, peer: &Peer, mut hello: Hello) {
        hello.software = bounds::software(&hello.software);
        let Some(protocol) = ProtocolRange::OURS.common(hello.protocol) else {
            let text = format!(
                "this hub ({}) speaks protocols {} to {}, you ({}) speak {} to {}",
                self.config.software,
                ProtocolRange::OURS.min,
                ProtocolRange::OURS.max,
                hello.software,
                hello.protocol.min,
                hello.protocol.max
            );
            self.refuse_child(link, RefusalCode::Protocol, &text);
            return;
        };
        if self.is_revoked(peer.uid) {
            self.refuse_child(link, RefusalCode::Key, "the key is not accepted");
            return;
        }
        let own = &self.config.path;
        let belongs = match peer.role {
            Role::Minion => peer.path == *own,
            Role::Syndic => peer.path != *own && own.contains(&peer.path),
            Role::TopMaster => false,
        };
        if !belongs {
            // What it would say of itself could not pass this hub's own parent. Enrolling here gives it a new
            // certificate, if an operator agrees.
            let text = format!("its certificate is for another site than this one, {own:?}");
            self.refuse_child(link, RefusalCode::Key, &text);
            return;
        }
        if let Some(older) = self.child_links.get(&peer.uid).copied() {
            self.refuse_child(
                older,
                RefusalCode::Superseded,
                "the same key connected again",
            );
            self.child_closed(older);
        }
        let index = match self.roster.connected(peer, &hello.software, self.now) {
            Ok(index) => index,
            Err(ConnectError::IdTaken) => {
                let text = format!("another key holds the id {}", peer.id);
                self.outputs.push_back(HubOutput::Alarm(format!(
                    "{} {}: {text}",
                    peer.role, peer.id
                )));
                self.refuse_child(link, RefusalCode::DuplicateId, &text);
                return;
            }
            Err(ConnectError::NotAccepted) => {
                self.refuse_child(link, RefusalCode::Key, "the key is not accepted");
                return;
            }
        };
        if let Some(child) = self.children.get_mut(&link) {
            child.index = Some(index);
            child.protocol = protocol;
        }
        self.child_links.insert(peer.uid, link);
        self.tell_child(
            link,
            Down::Welcome(Welcome {
                protocol,
                software: self.config.software.clone(),
                time: self.now,
                roster: self.roster.child_mark(peer.uid),
            }),
        );
        if let Some((bundle, version)) = self.trust.clone()
            && hello.trust_version < version
        {
            self.tell_child(link, Down::Trust(bundle));
        }
        match hello.body {
            HelloBody::Minion {
                grains,
                running,
                unsettled,
            } => {
                self.grains(link, grains);
                self.minion_back(link, index, &running, &unsettled);
            }
            HelloBody::Syndic { job_key, .. } => {
                self.roster.set_job_key(index, job_key);
                let revocations: Vec<Revocation> = self.revocations.values().copied().collect();
                if !revocations.is_empty() {
                    self.tell_child(link, Down::Revoked(revocations));
                }
                self.deliver_decisions(peer.uid, link);
                for job in self.jobs.values_mut() {
                    job.source_returns(peer.uid);
                }
            }
        }
        self.flush_soon();
    }

    /// What this sends waits for the disk: a job or a turn that came a moment ago may not be there yet.
    pub(crate) fn after_the_disk(&mut self, send: impl FnOnce(&mut Self)) {
        let before = self.outputs.len();
        send(self);
        if planted::is(Bug::SendsUnsaved) {
            return;
        }
        for output in self.outputs.split_off(before) {
            self.saving.after(Held::Out(output));
        }
    }

    /// Makes sure that a batch begins even if nothing but the roster changed.
    pub(crate) fn flush_soon(&mut self) {
        for record in self.roster.take_records() {
            self.saving.record(record);
        }
    }

    pub(crate) fn child_closed(&mut self, link: LinkId) {
        self.timers.clear(Timer::Probe(link));
        let Some(child) = self.children.remove(&link) else {
            return;
        };
        self.working -= usize::from(child.outstanding > 0);
        let Some(index) = child.index else { return };
        if self.child_links.get(&child.peer.uid) != Some(&link) {
            return;
        }
        self.child_links.remove(&child.peer.uid);
        self.roster.disconnected(child.peer.uid, self.now);
        if child.peer.role == Role::Minion {
            self.minion_gone(index);
        } else {
            self.hub_cut_off(&child.peer);
            self.inquiries_cut(link, child.peer.uid);
        }
        self.flush_soon();
    }
}
