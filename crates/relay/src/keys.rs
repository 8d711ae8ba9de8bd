//! Keys and trust: decisions, revocations, the trust bundle.

use std::collections::BTreeMap;

use wire::record::Record;
use wire::{Down, Json, KeyDecision, Revocation, Uid, Up};

use crate::LinkId;
use crate::exchange::HubOutput;
use crate::hub::{Held, Hub};

impl Hub {
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
            for hub in node.via.keys() {
                if let Some(&link) = self.child_links.get(hub) {
                    below.entry(link).or_default().push(uid);
                }
            }
            if node.direct.is_none() {
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
        let parents: Vec<LinkId> = self
            .parents
            .iter()
            .filter(|(l, p)| p.welcomed && Some(**l) != from)
            .map(|(l, _)| *l)
            .collect();
        for link in parents {
            self.outputs.push_back(HubOutput::ToParent {
                link,
                message: Up::Revoked(fresh.clone()),
            });
        }
    }
}
