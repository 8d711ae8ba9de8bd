//! A hub without a shell: a disk that works when it is told to, and nobody to send to.

use relay::{Hub, HubConfig, HubInput, HubOutput, HubRecovered, LinkId, Peer, SAVE_BYTES_MAX};
use wire::{
    Down, Hello, HelloBody, Jid, ProtocolRange, Role, RosterDelta, RosterMark, Uid, Up, Welcome,
};

use crate::inputs::{self, NOW};

/// The session with the parent.
const PARENT: LinkId = LinkId(9_000_000);

/// A hub and what came out of it.
pub struct Stand {
    pub hub: Hub,
    /// The batch at the disk.
    saving: Option<u64>,
    /// Accounts that the parent has not acknowledged.
    told: Vec<(Jid, u32)>,
    finished: usize,
}

impl Stand {
    fn new(uid: Uid, path: &str) -> Stand {
        let config = HubConfig {
            uid,
            id: "hub".parse().expect("an id"),
            path: inputs::site(path),
            software: "0.2.0".to_owned(),
            fresh_epoch: 42,
            job_key: None,
            parents: usize::from(!path.is_empty()),
            save_bytes_max: SAVE_BYTES_MAX,
            gather_ms: relay::GATHER_MS,
            awaited_max: relay::AWAITED_MAX,
            adopt_after_ms: 0,
            judges: false,
        };
        let mut stand = Stand {
            hub: Hub::new(config, HubRecovered::default(), NOW),
            saving: None,
            told: Vec::new(),
            finished: 0,
        };
        stand.drain();
        stand.saves();
        stand
    }

    /// A syndic with a parent, and so many minions of its own: their links are their numbers.
    pub fn syndic(minions: u32) -> Stand {
        let mut stand = Stand::new(inputs::uid(1_000_001), "ams");
        stand.put(HubInput::ParentConnected {
            link: PARENT,
            peer: Peer {
                uid: inputs::top(),
                ..inputs::hub(0, Role::TopMaster, "top", "")
            },
        });
        stand.parent_says(Down::Welcome(Welcome {
            protocol: wire::PROTOCOL,
            software: "0.2.0".to_owned(),
            time: NOW,
            roster: RosterMark::default(),
        }));
        for number in 0..minions {
            let peer = inputs::minion(number, "ams");
            let grains = inputs::json(&inputs::grains(number));
            let body = HelloBody::Minion {
                grains,
                running: vec![],
                unsettled: vec![],
            };
            stand.connect(u64::from(number), peer, body);
        }
        stand.saves();
        stand
    }

    /// A top-master above syndics that have so many minions each: links are the syndics' numbers, and the minions of a syndic
    /// are numbered from nought.
    pub fn top(syndics: u32, minions: u32) -> Stand {
        let mut stand = Stand::new(inputs::top(), "");
        for syndic in 0..syndics {
            let path = format!("s{syndic}");
            let link = u64::from(syndic);
            let peer = inputs::hub(1 + syndic, Role::Syndic, &path, &path);
            let mark = RosterMark {
                epoch: 7,
                revision: 1,
            };
            let body = HelloBody::Syndic {
                roster: mark,
                job_key: None,
            };
            stand.connect(link, peer, body);
            let entry = |index| crate::codec::entry(index, syndic * minions + index, &path);
            stand.child_says(
                link,
                Up::Roster(RosterDelta {
                    serial: 1,
                    mark,
                    snapshot: true,
                    done: true,
                    entries: (0..minions).map(entry).collect(),
                    links: vec![],
                }),
            );
            stand.child_says(link, Up::Resumed { ledgers: 0 });
        }
        stand.saves();
        stand
    }

    fn connect(&mut self, link: u64, peer: Peer, body: HelloBody) {
        let link_id = LinkId(link);
        self.put(HubInput::ChildConnected {
            link: link_id,
            peer,
        });
        let hello = Hello {
            protocol: ProtocolRange::OURS,
            software: "0.2.0".to_owned(),
            trust_version: 0,
            body,
        };
        self.child_says(link, Up::Hello(hello));
    }

    pub fn put(&mut self, input: HubInput) {
        self.hub.handle_input(NOW, input);
        self.drain();
    }

    pub fn child_says(&mut self, link: u64, message: Up) {
        let link = LinkId(link);
        self.put(HubInput::ChildMessage { link, message });
    }

    pub fn parent_says(&mut self, message: Down) {
        self.put(HubInput::ParentMessage {
            link: PARENT,
            message,
        });
    }

    /// The disk has done what it was asked, and what it was asked then.
    pub fn saves(&mut self) {
        while let Some(token) = self.saving.take() {
            self.put(HubInput::Saved { token });
        }
    }

    /// The parent has all that it was told on disk.
    pub fn acknowledged(&mut self) {
        for (jid, serial) in std::mem::take(&mut self.told) {
            self.parent_says(Down::LedgerAck { jid, serial });
        }
    }

    /// Whether a job has ended with so many good returns, and everything of it is on the disk and with the parent.
    pub fn has_finished(&self, jid: Jid, ok: u32) -> bool {
        let counts = self.hub.counts(jid).unwrap_or_default();
        counts.ok == u64::from(ok)
            && counts.expected == counts.ok
            && self.finished == 1
            && self.saving.is_none()
            && self.told.is_empty()
    }

    fn drain(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                HubOutput::Save { token, .. } => self.saving = Some(token),
                HubOutput::ToParent {
                    message: Up::Ledger(delta),
                    ..
                } => self.told.push((delta.jid, delta.serial)),
                HubOutput::JobFinished { .. } => self.finished += 1,
                _ => {}
            }
        }
    }
}
