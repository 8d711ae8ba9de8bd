//! Keys and trust: decisions, revocations, the trust bundle.

use std::collections::BTreeMap;

use wire::record::Record;
use wire::{Down, Json, KeyDecision, Revocation, Uid, UnixMillis, Up};

use crate::LinkId;
use crate::exchange::HubOutput;
use crate::hub::{Held, Hub};
use crate::planted::{self, Bug};

/// Keys whose revocation (or restoration) is remembered. Above it the oldest are forgotten, restored ones first: by
/// then the certificates of most of them have ended, and none is renewed.
const REVOCATIONS_MAX: usize = 100_000;
/// Decisions that wait for hubs that are cut off. Above it an operator has to decide again when the site is back.
const UNDELIVERED_MAX: usize = 10_000;

impl Hub {
    fn bound_revocations(&mut self) {
        if self.revocations.len() <= REVOCATIONS_MAX {
            return;
        }
        let mut by_age: Vec<(bool, UnixMillis, Uid)> = self
            .revocations
            .values()
            .map(|r| (r.revoked, r.at, r.uid))
            .collect();
        by_age.sort_unstable();
        // A hundredth at once, so that a flood does not sort for each key.
        let excess = by_age.len() - REVOCATIONS_MAX + REVOCATIONS_MAX / 100;
        for (_, _, uid) in by_age.into_iter().take(excess) {
            self.revocations.remove(&uid);
            self.revoked_above.remove(&uid);
        }
    }

    pub(crate) fn trust_changed(&mut self, bundle: Json, version: u64) {
        if self
            .trust
            .as_ref()
            .is_some_and(|(_, have)| *have >= version)
        {
            return;
        }
        self.trust = Some((bundle.clone(), version));
        self.saving.record(Record::Trust(bundle.clone()));
        let links: Vec<LinkId> = self
            .children
            .iter()
            .filter(|(_, c)| c.is_up())
            .map(|(link, _)| *link)
            .collect();
        if !links.is_empty() {
            let message = Down::Trust(bundle);
            self.saving
                .after(Held::Out(HubOutput::ToChildren { links, message }));
        }
    }

    /// Decides about children of this hub, and passes on what concerns nodes further down.
    pub(crate) fn decide(&mut self, uids: &[Uid], decision: KeyDecision) {
        let mut below: BTreeMap<LinkId, Vec<Uid>> = BTreeMap::new();
        for &uid in uids {
            let Some(node) = self.roster.by_uid(uid) else {
                continue;
            };
            let is_direct = node.direct.is_some();
            let mut is_cut_off = false;
            for hub in node.via.keys() {
                if let Some(&link) = self.child_links.get(hub) {
                    below.entry(link).or_default().push(uid);
                } else if self.undelivered.len() < UNDELIVERED_MAX {
                    self.undelivered.insert((*hub, uid), decision);
                    self.saving.record(Record::Undelivered {
                        hub: *hub,
                        uid,
                        decision: Some(decision),
                    });
                    is_cut_off = true;
                }
            }
            if is_cut_off && !planted::is(Bug::LosesDecisions) && decision != KeyDecision::Accept {
                // Other ways to it, and hubs that know it from before, hear of it at once.
                self.revoke_or_restore(uid, decision);
            }
            if !is_direct {
                continue;
            }
            let Some(decided) = self.roster.decide(uid, decision) else {
                continue;
            };
            if decided.refused.is_none() {
                self.revoke_or_restore(uid, decision);
            }
            self.saving.after(Held::Out(HubOutput::Decided(decided)));
        }
        for (link, uids) in below {
            self.tell_child(link, Down::Keys { uids, decision });
        }
    }

    /// A hub is back: it hears what was decided about its keys meanwhile.
    pub(crate) fn deliver_decisions(&mut self, hub: Uid, link: LinkId) {
        let waiting: Vec<(Uid, KeyDecision)> = self
            .undelivered
            .range((hub, Uid([0; 16]))..=(hub, Uid([0xff; 16])))
            .map(|((_, uid), decision)| (*uid, *decision))
            .collect();
        for (uid, decision) in waiting {
            if planted::is(Bug::LosesDecisions) {
                return;
            }
            self.undelivered.remove(&(hub, uid));
            self.saving.record(Record::Undelivered {
                hub,
                uid,
                decision: None,
            });
            let uids = vec![uid];
            self.tell_child(link, Down::Keys { uids, decision });
        }
    }

    pub(crate) fn revoke_or_restore(&mut self, uid: Uid, decision: KeyDecision) {
        let revoked = decision != KeyDecision::Accept;
        if revoked == self.is_revoked(uid) {
            return;
        }
        // Later than what it replaces, even when that came from a clock ahead of ours.
        let known = self.revocations.get(&uid).map_or(0, |known| known.at + 1);
        let revocation = Revocation {
            uid,
            at: self.now.max(known),
            revoked,
        };
        self.spread_revocations(vec![revocation], None);
    }

    /// Takes revocations in, acts on them and tells the whole neighbourhood but the side they came from.
    pub(crate) fn spread_revocations(&mut self, news: Vec<Revocation>, from: Option<LinkId>) {
        let mut fresh = Vec::new();
        for revocation in news {
            let known = self.revocations.get(&revocation.uid);
            if known.is_some_and(|k| k.at >= revocation.at) {
                continue;
            }
            let is_from_above = from.is_some_and(|link| self.parents.contains_key(&link));
            if is_from_above && self.roster.by_uid(revocation.uid).is_none() {
                self.revoked_above.insert(revocation.uid);
            } else {
                self.revoked_above.remove(&revocation.uid);
            }
            self.revocations.insert(revocation.uid, revocation);
            self.saving.record(Record::Revoked(revocation));
            fresh.push(revocation);
            self.roster.revoked(revocation.uid, revocation.revoked);
            if !revocation.revoked {
                continue;
            }
            let gone = self.roster.forget_child(revocation.uid);
            self.gone_from(revocation.uid, &gone);
            if let Some(&link) = self.child_links.get(&revocation.uid) {
                self.refuse_child(
                    link,
                    wire::RefusalCode::Key,
                    "the key is no longer accepted",
                );
            }
        }
        if fresh.is_empty() {
            return;
        }
        self.bound_revocations();
        let links: Vec<LinkId> = self
            .links_of_hubs()
            .into_iter()
            .filter(|l| Some(*l) != from)
            .collect();
        if !links.is_empty() {
            self.outputs.push_back(HubOutput::ToChildren {
                links,
                message: Down::Revoked(fresh.clone()),
            });
        }
        fresh.retain(|r| !self.revoked_above.contains(&r.uid));
        if fresh.is_empty() {
            return;
        }
        let parents = self.welcomed_parents().into_iter();
        for link in parents.filter(|link| Some(*link) != from) {
            self.outputs.push_back(HubOutput::ToParent {
                link,
                message: Up::Revoked(fresh.clone()),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{HubConfig, HubRecovered};

    #[test]
    fn revocations_are_bounded_and_the_newest_stay() {
        let config = HubConfig {
            uid: Uid([9; 16]),
            id: "top".parse().unwrap(),
            path: wire::SitePath::top(),
            software: String::new(),
            fresh_epoch: 1,
            job_key: None,
            parents: 0,
            save_bytes_max: crate::SAVE_BYTES_MAX,
            gather_ms: 0,
            awaited_max: crate::AWAITED_MAX,
            adopt_after_ms: 0,
            judges: false,
        };
        let mut hub = Hub::new(config, HubRecovered::default(), 1);
        let uid = |n: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&(n as u64).to_le_bytes());
            Uid(bytes)
        };
        let news: Vec<Revocation> = (0..=REVOCATIONS_MAX)
            .map(|n| Revocation {
                uid: uid(n),
                at: 10 + n as u64,
                revoked: n != REVOCATIONS_MAX / 2,
            })
            .collect();
        hub.spread_revocations(news, None);
        assert!(hub.revocations.len() <= REVOCATIONS_MAX);
        assert!(hub.is_revoked(uid(REVOCATIONS_MAX)));
        assert!(!hub.is_revoked(uid(0)), "the oldest went");
        assert!(
            !hub.revocations.contains_key(&uid(REVOCATIONS_MAX / 2)),
            "and the one that was restored"
        );
    }
}
