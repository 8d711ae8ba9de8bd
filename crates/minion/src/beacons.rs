//! Beacons: looks at what settings, pillar and `beacons.*` say, and tells where somebody reads it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use modules::Part;
use modules::beacons::Beacon;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use wire::NodeId;

use crate::executor::Executor;
use crate::herald::Herald;
use crate::overlay::{Disk, Overlay};

/// Beacons of one minion.
const BEACONS_MAX: usize = 256;
/// The pause between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// The file of what `beacons.*` changed.
const OWN: &str = "own";

/// Keeps the beacons.
pub struct Watch {
    id: NodeId,
    executor: Executor,
    herald: Arc<Herald>,
    disk: Disk,
    changed: Notify,
    state: Mutex<State>,
    /// Those that look, while they do not.
    lit: Mutex<BTreeMap<String, Lit>>,
}

struct State {
    settings: Map<String, Value>,
    pillar: Map<String, Value>,
    own: Overlay,
}

/// A beacon that looks.
struct Lit {
    beacon: Beacon,
    next: Instant,
    /// What went wrong last, to be said once.
    failure: String,
}

impl Watch {
    /// With the `beacons` of the settings, and what was saved below this folder.
    ///
    /// # Errors
    /// When that can't be read.
    pub fn open(
        folder: &Path,
        settings: &Map<String, Value>,
        id: NodeId,
        executor: Executor,
        herald: Arc<Herald>,
    ) -> Result<Watch, String> {
        let disk = Disk::new(folder);
        let own = disk.read(OWN)?;
        let watch = Watch {
            id,
            executor,
            herald,
            disk,
            changed: Notify::new(),
            state: Mutex::new(State {
                settings: map(settings.get("beacons")),
                pillar: Map::new(),
                own,
            }),
            lit: Mutex::default(),
        };
        watch.light(&watch.state());
        Ok(watch)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lit(&self) -> MutexGuard<'_, BTreeMap<String, Lit>> {
        self.lit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pillar is this now.
    pub fn follow(&self, pillar: &Value) {
        let mut state = self.state();
        state.pillar = map(pillar.get("beacons"));
        self.light(&state);
    }

    /// Makes the beacons that the settings want; those that are wanted as before keep what they saw.
    fn light(&self, state: &State) {
        let mut all = state.all();
        let are_on = all.remove("enabled") != Some(json!(false));
        let mut lit = self.lit();
        let mut before = std::mem::take(&mut *lit);
        for (name, given) in all.into_iter().take(BEACONS_MAX) {
            if let Some(same) = before.remove(&name)
                && *same.beacon.given() == given
                && are_on
            {
                lit.insert(name, same);
                continue;
            }
            match Beacon::read(&name, &given) {
                Ok(beacon) if beacon.enabled && are_on => {
                    let (next, failure) = (Instant::now(), String::new());
                    lit.insert(
                        name,
                        Lit {
                            beacon,
                            next,
                            failure,
                        },
                    );
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(name, "a beacon does not look: {error}"),
            }
        }
        self.changed.notify_one();
    }

    /// Looks again and again, for as long as the minion runs.
    pub async fn keep(self: Arc<Self>) {
        loop {
            if self.lit().is_empty() {
                self.changed.notified().await;
                continue;
            }
            let watch = self.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || watch.round()).await {
                tracing::error!(%error, "a beacon broke");
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Lets each beacon look whose time it is. One that nobody reads does not, and begins anew when somebody does.
    fn round(&self) {
        let states = self.executor.applies_states();
        let names: Vec<String> = self.lit().keys().cloned().collect();
        for name in names {
            let prefix = format!("salt/beacon/{}/{name}/", self.id);
            let is_read = self.herald.is_read_below(&prefix);
            // Others may change the beacons while one looks.
            let Some(mut one) = self.lit().remove(&name) else {
                continue;
            };
            let mut is_over = false;
            if !is_read || (states && one.beacon.rests_for_states) {
                one.beacon.forget();
            } else if one.next <= Instant::now() {
                one.next = Instant::now() + one.beacon.interval;
                self.look(&name, &prefix, &mut one);
                is_over = one.beacon.run_once;
            }
            let is_wanted = self.state().all().get(&name) == Some(one.beacon.given());
            if is_wanted && !is_over {
                self.lit().entry(name).or_insert(one);
            }
        }
    }

    fn look(&self, name: &str, prefix: &str, one: &mut Lit) {
        let call = |fun: &str, args: Vec<Value>| self.executor.call(fun, args);
        let seen = match one.beacon.look(&call) {
            Ok(seen) => {
                one.failure.clear();
                seen
            }
            Err(error) => {
                if one.failure != error {
                    tracing::warn!(name, "a beacon can't look: {error}");
                    one.failure.clone_from(&error);
                }
                return;
            }
        };
        for told in seen {
            let tag = format!("{prefix}{}", told.tag);
            if let Err(error) = self.herald.fire(&tag, &told.data.into(), None) {
                tracing::warn!(name, "what a beacon saw can't be told: {error}");
            }
        }
    }
}

impl State {
    /// What the settings and `beacons.*` have.
    fn of_host(&self) -> Map<String, Value> {
        self.own.over(self.settings.clone())
    }

    /// All of them: those of the host win over those of the pillar.
    fn all(&self) -> Map<String, Value> {
        let mut all = self.pillar.clone();
        all.extend(self.of_host());
        all
    }
}

impl modules::beacons::Beacons for Watch {
    fn list(&self, part: Part) -> Map<String, Value> {
        let state = self.state();
        match part {
            Part::All => state.all(),
            Part::Own => state.of_host(),
            Part::Pillar => state.pillar.clone(),
            Part::Saved => Map::new(),
        }
    }

    fn set(&self, name: &str, beacon: Option<Value>) -> Result<(), String> {
        let mut state = self.state();
        if beacon.is_some() && state.all().len() >= BEACONS_MAX {
            return Err(format!("a minion has at most {BEACONS_MAX} beacons"));
        }
        let is_of_settings = state.settings.contains_key(name);
        state
            .own
            .set(name, beacon.unwrap_or_default(), is_of_settings);
        self.light(&state);
        Ok(())
    }

    fn set_enabled(&self, enabled: bool) {
        let mut state = self.state();
        state.own.enabled = Some(enabled);
        self.light(&state);
    }

    fn save(&self) -> Result<(), String> {
        self.disk.write_overlay(OWN, &self.state().own)
    }

    fn reset(&self) -> Result<(), String> {
        let mut state = self.state();
        let names: Vec<String> = state.of_host().keys().cloned().collect();
        for name in names {
            let is_of_settings = state.settings.contains_key(&name);
            state.own.set(&name, Value::Null, is_of_settings);
        }
        state.own.enabled = None;
        self.light(&state);
        Ok(())
    }
}

fn map(value: Option<&Value>) -> Map<String, Value> {
    match value {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(map)) => map.clone(),
        Some(_) => {
            tracing::warn!("beacons is no map of names to settings: it is passed over");
            Map::new()
        }
    }
}
