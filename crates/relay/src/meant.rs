//! Whom a target means by the roster, without a job.

use targeting::{Target, Verdict};
use wire::{Role, SitePath};

use crate::hub::Hub;
use crate::node::NodeFacts;
use crate::node::{Node, RosterView};

impl Hub {
    /// The minions that a job with this target would be for, and those for which the facts at hand do not decide it, in order of
    /// number. Within what is on this hub's roster that is who a job would name that is submitted before the next input.
    pub fn meant<'a>(
        &'a self,
        target: &'a Target,
        scope: &'a SitePath,
    ) -> impl Iterator<Item = (RosterView<'a>, Verdict)> + 'a {
        self.roster
            .nodes()
            .filter(|node| {
                node.role == Role::Minion && node.is_accepted() && scope.contains(&node.path)
            })
            .filter(|node| node.direct.is_some() || self.is_below_a_child(node))
            .map(|node| (RosterView(node), target.matches(&NodeFacts::of(node))))
            .filter(|(_, verdict)| *verdict != Verdict::No)
    }

    fn is_below_a_child(&self, node: &Node) -> bool {
        let mut hubs = node.via.keys().filter_map(|hub| self.roster.by_uid(*hub));
        hubs.any(|hub| hub.is_accepted() && hub.direct.is_some())
    }
}
