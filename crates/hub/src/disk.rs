//! Room for the store: what a hub does before its disk is full.
//!
//! A full disk ends the process, since a store that can't write keeps no promise. So own jobs stop earlier, while there is
//! still a reserve for what runs: returns, cancels, jobs of parents. A hub that finds next to nothing free when it starts
//! waits for room with its links down: returns stay with those who have them, and parents see the site as cut off, which
//! it is. Nothing has to be told that there is room again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use daemon::metrics::DiskMetrics;
use daemon::signals;
use wire::JobOrder;

/// This part of the reserve has to be free before a hub starts: enough to open the store and to hear its children.
const START_PART: u64 = 4;
/// How often a hub that waits looks for room, and one that runs notes how much there is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The service manager is asked for so much more time at each look.
const START_EXTENSION: Duration = Duration::from_secs(10);

/// The file system of the store.
#[derive(Debug, Clone)]
pub struct Disk {
    database: PathBuf,
    reserve_bytes: u64,
}

impl Disk {
    /// Keeps so many bytes free where this database is, or will be.
    pub fn new(database: PathBuf, reserve_bytes: u64) -> Disk {
        Disk {
            database,
            reserve_bytes,
        }
    }

    /// The database.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Why an order of this hub's own is not taken now.
    pub fn objection(&self, order: &JobOrder) -> Option<String> {
        // What ends other jobs makes room, so the reserve is there for it as well.
        if order.is_control() {
            return None;
        }
        self.shortage(self.reserve_bytes)
    }

    /// Returns once there is room to start.
    pub async fn room_to_start(&self) {
        let mut is_told = false;
        while let Some(shortage) = self.shortage(self.reserve_bytes / START_PART) {
            if !is_told {
                tracing::error!(alarm = true, "the hub does not start yet: {shortage}");
                signals::notify_status(&format!("waits for room on its disk: {shortage}"));
                is_told = true;
            }
            signals::notify_extend_timeout(START_EXTENSION);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        if is_told {
            tracing::info!("there is room to start");
        }
    }

    /// Notes how much room there is, and says in the log when it falls below the reserve and when it is back.
    pub async fn watch(self, metrics: DiskMetrics) {
        let mut was_short = false;
        loop {
            let shortage = self.shortage(self.reserve_bytes);
            match &shortage {
                Some(text) if !was_short => {
                    tracing::error!(alarm = true, "new jobs are refused: {text}");
                }
                None if was_short => tracing::info!("new jobs are taken: there is room again"),
                _ => {}
            }
            was_short = shortage.is_some();
            if let Some(free) = self.free_bytes() {
                metrics.free_bytes.set(as_gauge(free));
            }
            for (part, suffix) in [("database", ""), ("log", "-wal")] {
                let mut name = self.database.clone().into_os_string();
                name.push(suffix);
                let bytes = std::fs::metadata(name).map_or(0, |file| file.len());
                metrics
                    .store_bytes
                    .with_label_values(&[part])
                    .set(as_gauge(bytes));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn free_bytes(&self) -> Option<u64> {
        // Before the first start the directories are still to be made.
        let mut places = self.database.ancestors();
        places.find_map(|place| store::free_bytes(place).ok())
    }

    fn shortage(&self, needed: u64) -> Option<String> {
        let free = self.free_bytes()?;
        (free < needed).then(|| {
            format!(
                "the file system of {} has {free} bytes free, {needed} are needed \
                 (disk_reserve_bytes is {})",
                self.database.display(),
                self.reserve_bytes
            )
        })
    }
}

/// A number for a gauge; no disk has more than it can show.
pub fn as_gauge(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{JobOptions, RunTarget};

    fn order(fun: &str) -> JobOrder {
        let nothing: wire::Json = b"[]".as_slice().into();
        JobOrder {
            tree: wire::TreeId([0; 32]),
            jid: "20261122223700000001".parse().unwrap(),
            origin: wire::Uid([0; 16]),
            origin_id: "top".parse().unwrap(),
            scope: wire::SitePath::default(),
            user: "root".to_owned(),
            target: RunTarget {
                compound: "*".to_owned(),
                typed: "*".to_owned(),
            },
            fun: fun.to_owned(),
            args: nothing.clone(),
            kwargs: nothing,
            issued: 0,
            start_by: 0,
            options: JobOptions::default(),
        }
    }

    #[test]
    fn a_disk_below_its_reserve_takes_orders_that_end_jobs_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        // Neither the file nor its directory is there yet.
        let database = dir.path().join("state/hub.sqlite");
        let disk = |reserve| Disk::new(database.clone(), reserve);
        let words = disk(u64::MAX).objection(&order("test.ping")).unwrap();
        for word in ["hub.sqlite", "bytes free", "disk_reserve_bytes"] {
            assert!(words.contains(word), "{words}");
        }
        assert_eq!(disk(u64::MAX).objection(&order("saltutil.term_job")), None);
        for reserve in [0, 1] {
            assert_eq!(disk(reserve).objection(&order("test.ping")), None);
        }
    }

    #[tokio::test]
    async fn a_start_waits_for_a_part_of_the_reserve() {
        let dir = tempfile::tempdir().unwrap();
        let disk = |reserve| Disk::new(dir.path().join("hub.sqlite"), reserve);
        disk(START_PART).room_to_start().await;
        let full = disk(u64::MAX);
        let waits = tokio::time::timeout(Duration::from_millis(1), full.room_to_start());
        assert!(waits.await.is_err());
    }
}
