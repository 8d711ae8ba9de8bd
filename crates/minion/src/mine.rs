//! What this minion gives to the mine: in a file, and at each of its hubs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use wire::files::{Answer, MineQuestion, Request};
use wire::limits::{BULK_FRAME, MAX_MINE, MAX_MINE_ENTRIES};
use wire::{Json, PROTOCOL_MINE, Uid};

use crate::files::Sessions;

/// A hub has this long to answer: it may have to ask its parents.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The mine of this minion.
pub struct Mine {
    file: PathBuf,
    sessions: Arc<Sessions>,
    runtime: tokio::runtime::Handle,
    state: Mutex<State>,
}

struct State {
    entries: Map<String, Value>,
    /// Changes with the entries.
    version: u64,
    /// Which version each hub has.
    told: BTreeMap<Uid, u64>,
}

impl Mine {
    /// With what the file has.
    ///
    /// # Errors
    /// When it can't be read, or has what this program did not write.
    pub fn open(
        file: PathBuf,
        sessions: Arc<Sessions>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Mine, String> {
        let entries: Option<Map<String, Value>> = match std::fs::read(&file) {
            Ok(text) => {
                let read = serde_json::from_slice(&text);
                Some(read.map_err(|error| format!("{}: {error}", file.display()))?)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("{}: {error}", file.display())),
        };
        Ok(Mine {
            file,
            sessions,
            runtime,
            state: Mutex::new(State {
                // A minion that never gave anything has nothing to tell.
                version: u64::from(entries.is_some()),
                entries: entries.unwrap_or_default(),
                told: BTreeMap::new(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a hub what it does not have yet.
    ///
    /// # Errors
    /// Why it does not have it now.
    pub async fn tell(&self, hub: Uid, sender: link::Sender) -> Result<(), String> {
        let (version, text) = {
            let state = self.state();
            if state.told.get(&hub).copied().unwrap_or(0) == state.version {
                return Ok(());
            }
            (state.version, packed(&state.entries)?)
        };
        match ask(&sender, &Request::MineGive(text)).await? {
            Answer::Done => {
                self.state().told.insert(hub, version);
                Ok(())
            }
            _ => Err("the hub answered something else".to_owned()),
        }
    }
}

fn packed(entries: &Map<String, Value>) -> Result<Json, String> {
    let text = serde_json::to_vec(entries).map_err(|error| error.to_string())?;
    if text.len() > MAX_MINE || entries.len() > MAX_MINE_ENTRIES {
        return Err(format!(
            "this minion would give {} values and {} bytes to the mine, and at most {MAX_MINE_ENTRIES} and {MAX_MINE} are kept",
            entries.len(),
            text.len()
        ));
    }
    Ok(text.into())
}

async fn ask(sender: &link::Sender, request: &Request) -> Result<Answer, String> {
    let length = wire::codec::encode(request)
        .map_err(|error| error.to_string())?
        .len();
    if length > BULK_FRAME {
        return Err(format!(
            "the question has {length} bytes, and at most {BULK_FRAME} travel: name the minions in fewer words"
        ));
    }
    match tokio::time::timeout(ANSWER_TIMEOUT, sender.request(request)).await {
        Ok(Ok((Answer::Refused(text), _))) => Err(text),
        Ok(Ok((answer, _))) => Ok(answer),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the hub did not answer in time".to_owned()),
    }
}

impl modules::Mine for Mine {
    fn own(&self) -> Map<String, Value> {
        self.state().entries.clone()
    }

    fn give(&self, entries: Map<String, Value>) -> Result<(), String> {
        let text = packed(&entries)?;
        {
            let mut state = self.state();
            let written = daemon::files::replace(&self.file, &text);
            written.map_err(|error| format!("{}: {error}", self.file.display()))?;
            state.entries = entries;
            state.version += 1;
        }
        self.sessions.reach(false);
        let hubs = self.sessions.with_protocol(PROTOCOL_MINE);
        if hubs.is_empty() {
            return Err("no hub is connected that has a mine: one is told when it is".to_owned());
        }
        let mut refused = None;
        let mut is_told = false;
        for (hub, sender) in hubs {
            match self.runtime.block_on(self.tell(hub, sender)) {
                Ok(()) => is_told = true,
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if !is_told => Err(error),
            Some(error) => {
                tracing::warn!("a hub does not have what this minion gives to the mine: {error}");
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn get(
        &self,
        tgt: &str,
        tgt_type: &str,
        funs: &[String],
    ) -> Result<Map<String, Value>, String> {
        self.sessions.reach(false);
        let hubs = self.sessions.with_protocol(PROTOCOL_MINE);
        let (_, sender) = hubs
            .into_iter()
            .next()
            .ok_or("no hub is connected that has a mine")?;
        let question = MineQuestion {
            tgt: tgt.to_owned(),
            tgt_type: tgt_type.to_owned(),
            funs: funs.to_vec(),
            // The hub knows who asks.
            asker: Uid([0; 16]),
        };
        let request = Request::MineGet(question);
        match self.runtime.block_on(ask(&sender, &request))? {
            Answer::Mine(json) => serde_json::from_slice(&json).map_err(|error| error.to_string()),
            _ => Err("the hub answered something else".to_owned()),
        }
    }
}
