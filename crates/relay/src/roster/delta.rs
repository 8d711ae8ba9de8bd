//! What a parent is told of the roster: a snapshot, or what changed since it last heard.

use std::collections::BTreeMap;

use wire::{IndexSet, Link, NodeEntry, RosterDelta, RosterMark, limits};

use super::Roster;
use crate::node::entry_of;

impl Roster {
    /// The frames that bring a parent from `mark` to here. With `all_links` they name every node's link, as at
    /// the start of a session, since links are not kept on disk. Nodes that changed after `upto` wait for a later delta.
    pub(crate) fn delta_since(
        &self,
        mark: RosterMark,
        upto: u64,
        all_links: bool,
    ) -> Vec<RosterDelta> {
        let snapshot = mark.epoch != self.epoch
            || mark.revision < self.history_from
            || mark.revision > self.revision;
        let since = if snapshot { 0 } else { mark.revision };
        // What was told before was on disk then.
        let upto = upto.max(since);
        let mut frames = vec![self.frame(snapshot, upto)];
        let mut bytes = 0;
        let mut push = |frames: &mut Vec<RosterDelta>, entry: NodeEntry| {
            bytes += entry.grains.as_ref().map_or(0, |g| g.len());
            if let Some(frame) = frames.last_mut() {
                frame.entries.push(entry);
                if frame.entries.len() >= limits::ROSTER_ENTRIES_PER_FRAME
                    || bytes >= limits::ROSTER_BYTES_PER_FRAME
                {
                    frame.done = false;
                    bytes = 0;
                    frames.push(self.frame(false, upto));
                }
            }
        };
        if !snapshot {
            let left = self.gone.range((since + 1, 0)..);
            for (_, entry) in left.take_while(|((revision, _), _)| *revision <= upto) {
                push(&mut frames, entry.clone());
            }
        }
        let mut links: BTreeMap<Link, IndexSet> = BTreeMap::new();
        for &(_, index) in self.changed.range((since + 1, 0)..) {
            let Some(node) = self.nodes.get(&index) else {
                continue;
            };
            if node.revision > upto {
                continue;
            }
            if node.revision > since {
                push(&mut frames, entry_of(node, node.grains_revision > since));
            } else if !all_links {
                links.entry(node.link).or_default().insert(index);
            }
        }
        if all_links {
            for node in self.nodes.values() {
                links.entry(node.link).or_default().insert(node.index);
            }
        }
        if let Some(last) = frames.last_mut() {
            last.links = links.into_iter().collect();
        }
        frames
    }

    fn frame(&self, snapshot: bool, upto: u64) -> RosterDelta {
        RosterDelta {
            serial: 0,
            mark: RosterMark {
                epoch: self.epoch,
                revision: upto,
            },
            snapshot,
            done: true,
            entries: Vec::new(),
            links: Vec::new(),
        }
    }
}
