//! What a minion does once after its start, when it has met a hub: it makes its pillar, for what follows that, and applies
//! `startup_states`.

use std::sync::Arc;
use std::time::Duration;

use daemon::config::{LocalRoots, Startup};
use modules::Call;
use serde_json::{Value, json};

use crate::executor::Executor;
use crate::files::Sessions;
use crate::own::{OwnJob, OwnJobs};

/// A pillar that could not be made is tried again after this long, then after twice as long ...
const AGAIN: Duration = Duration::from_secs(60);
/// ... and at last so often.
const AGAIN_MAX: Duration = Duration::from_secs(3_600);

/// What is done.
pub struct AtStart {
    /// Hubs.
    pub sessions: Arc<Sessions>,
    /// Makes the pillar.
    pub executor: Executor,
    /// Runs states.
    pub own_jobs: Arc<OwnJobs>,
    /// What is applied.
    pub states: Option<Startup>,
    /// Folders of this host in the place of the hub's roots.
    pub local_roots: Option<LocalRoots>,
}

impl AtStart {
    /// Does it; `follow` hears of the pillar.
    pub async fn run(self, follow: impl Fn(Arc<Value>)) {
        if self.local_roots.is_none() {
            self.sessions.first_welcome().await;
        }
        if let Some(states) = &self.states {
            self.apply(states);
        }
        let mut pause = AGAIN;
        loop {
            let (executor, roots) = (self.executor.clone(), self.local_roots.clone());
            let made = tokio::task::spawn_blocking(move || executor.make_pillar(roots.as_ref()));
            match made.await {
                Ok(Ok(pillar)) => return follow(pillar),
                Ok(Err(error)) => {
                    tracing::warn!("no jobs and no mine from the pillar yet: {error}")
                }
                Err(error) => tracing::error!(%error, "the pillar is not made"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN_MAX);
        }
    }

    fn apply(&self, states: &Startup) {
        let call = match states {
            Startup::Highstate => Call::new("state.highstate"),
            Startup::Sls(files) => Call::new("state.sls").arg(json!(files)),
            Startup::Top(file) => Call::new("state.top").arg(file.as_str()),
        };
        let begun = self.own_jobs.begin(OwnJob {
            schedule: None,
            caller: None,
            call,
            is_told: true,
            is_kept: true,
            metadata: None,
            local_roots: self.local_roots.clone(),
        });
        if let Err(error) = begun {
            tracing::error!("startup_states: {error}");
        }
    }
}
