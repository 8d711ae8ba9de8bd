//! Orders to a running state run: to wait before a state, or to end there. They stand in files, so that other processes can give them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::registry::Env;

/// The id that means the next state, whichever that is.
pub(crate) const ALL: &str = "__all__";

/// Between two looks at the orders.
const LOOK: Duration = Duration::from_millis(250);

/// The orders to one run.
pub(crate) struct Pauses {
    file: PathBuf,
}

impl Pauses {
    fn folder(cache_dir: &Path) -> PathBuf {
        cache_dir.join("state_pause")
    }

    /// Those of a job. Fails on an id that no job has.
    pub(crate) fn of(cache_dir: &Path, jid: &str) -> Result<Pauses, Failure> {
        if jid.is_empty()
            || !jid
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'_')
        {
            return Err(Failure::invocation(format!(
                "'{jid}' is not the id of a job"
            )));
        }
        Ok(Pauses {
            file: Self::folder(cache_dir).join(jid),
        })
    }

    /// The ids of all jobs with orders.
    pub(crate) fn jids(cache_dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(Self::folder(cache_dir)).into_iter().flatten();
        let mut jids: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        jids.sort();
        jids
    }

    /// The orders by id of a state.
    pub(crate) fn read(&self) -> Map<String, Value> {
        let text = fs::read(&self.file).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Changes the order for a state; null takes it away.
    pub(crate) fn order(&self, state_id: &str, order: Value) -> Result<(), Failure> {
        let mut orders = self.read();
        match order {
            Value::Null if state_id == ALL => orders.clear(),
            Value::Null => drop(orders.shift_remove(state_id)),
            order => drop(orders.insert(state_id.to_owned(), order)),
        }
        let io = |error| Failure::io(&self.file, error);
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(io)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
        std::io::Write::write_all(&mut file, json!(orders).to_string().as_bytes()).map_err(io)?;
        file.persist(&self.file)
            .map(drop)
            .map_err(|error| io(error.error))
    }

    /// The run is over.
    pub(crate) fn forget(&self) {
        // There need not be any.
        let _ = fs::remove_file(&self.file);
    }

    /// Waits as long as there is an order to wait before this state. False when the run is to end here.
    pub(crate) fn may_run(&self, env: &Env, state_id: &str) -> bool {
        let began = Instant::now();
        loop {
            let orders = self.read();
            let Some(order) = orders.get(state_id).or_else(|| orders.get(ALL)) else {
                return true;
            };
            if order.get("kill").is_some() {
                return false;
            }
            let duration = order.get("duration").and_then(Value::as_u64);
            let is_over = duration.is_some_and(|seconds| began.elapsed().as_secs() >= seconds);
            if is_over || env.cancel.is_cancelled() {
                return true;
            }
            std::thread::sleep(LOOK);
        }
    }
}
