//! `manage`: who of the roster is up and who is down, without asking a minion.

use crate::report;
use crate::service::Service;

/// Ids of all accepted minions, each list sorted.
pub(super) struct Status {
    pub(super) up: Vec<String>,
    /// Also those behind a site that is cut off.
    pub(super) down: Vec<String>,
}

impl Service {
    pub(super) async fn status(&self) -> anyhow::Result<Status> {
        let now = self.engine.clock().now();
        let tree = self
            .engine
            .query(move |hub| report::tree(hub, true, now))
            .await?;
        let (up, down): (Vec<_>, Vec<_>) =
            tree.minions.into_iter().partition(|row| row.state == "up");
        let ids = |rows: Vec<wire::control::MinionRow>| {
            let mut ids: Vec<String> = rows.into_iter().map(|row| row.id).collect();
            ids.sort();
            ids
        };
        Ok(Status {
            up: ids(up),
            down: ids(down),
        })
    }
}
