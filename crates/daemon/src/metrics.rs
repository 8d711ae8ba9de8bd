//! All metrics of all programs, with name, unit and help. The registry is made in `main` and handed down.
//!
//! No label ever names a minion, a job or an id: the number of series is bounded by this file. The one label with a free
//! value is the commit of `banyan_roots_info`, of which there is one series at a time.

use std::sync::{Mutex, PoisonError};

use prometheus::core::Collector;
pub use prometheus::{Error as MetricsError, IntCounter as Counter, Registry};
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

/// What a hub counts.
pub struct HubMetrics {
    /// `banyan_links{role, direction}`: open links; role of the other end, direction `up` or `down`.
    pub links: IntGaugeVec,
    /// `banyan_roster_nodes{role, state}`: nodes of the roster; state `up`, `down`, `cut-off` or `pending`.
    pub roster_nodes: IntGaugeVec,
    /// `banyan_jobs_total{result}`: jobs that ended; result is a word of the outcomes, `ok` when all are.
    pub jobs: IntCounterVec,
    /// `banyan_jobs_open`: jobs of which more may come.
    pub jobs_open: IntGauge,
    /// `banyan_returns_total`: returns that were taken into custody.
    pub returns: IntCounter,
    /// `banyan_custody_backlog_returns`: returns that the parent does not have yet.
    pub custody_backlog: IntGauge,
    /// `banyan_roots_age_seconds`: time since the remote last answered.
    pub roots_age: Gauge,
    /// `banyan_roots_errors_total`: fetches that failed.
    pub roots_errors: IntCounter,
    /// `banyan_udp_receive_drops_total`: datagrams that the kernel dropped since the socket's buffer was full.
    pub udp_receive_drops: IntCounter,
    /// The store and its disk.
    pub disk: DiskMetrics,
    /// The job cache outside.
    pub job_cache: JobCacheMetrics,
    /// Events that are written outside.
    pub event_return: EventReturnMetrics,
    /// The journal of jobs.
    pub job_journal: JobJournalMetrics,
    /// `banyan_store_commit_seconds`: transactions of the store, sync included.
    pub store_commit: Histogram,
    /// `banyan_frames_refused_total`: frames that were malformed, too long or not allowed.
    pub frames_refused: IntCounter,
    /// Events.
    pub events: EventMetrics,
    roots_info: IntGaugeVec,
    roots_commit: Mutex<String>,
}

/// What is counted of events.
#[derive(Clone)]
pub struct EventMetrics(IntCounterVec);

impl EventMetrics {
    fn new(registry: &Registry, words: &[&str]) -> Result<EventMetrics, MetricsError> {
        let counted = register(
            registry,
            IntCounterVec::new(
                Opts::new(
                    "banyan_events_total",
                    "Events: sent by this minion, heard from children, made here, forwarded to parents, refused, dropped since they were too many.",
                ),
                &["what"],
            )?,
        )?;
        for what in words {
            counted.with_label_values(&[what]);
        }
        Ok(EventMetrics(counted))
    }

    /// So many more; `what` is `sent`, `heard`, `made`, `forwarded`, `refused` or `dropped`.
    pub fn count(&self, what: &str, count: u64) {
        self.0.with_label_values(&[what]).inc_by(count);
    }
}

impl HubMetrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// When the registry has one of them already.
    pub fn new(registry: &Registry) -> Result<HubMetrics, MetricsError> {
        build_info(registry)?;
        Ok(HubMetrics {
            links: links(registry)?,
            roster_nodes: register(
                registry,
                IntGaugeVec::new(
                    Opts::new("banyan_roster_nodes", "Nodes of the roster."),
                    &["role", "state"],
                )?,
            )?,
            jobs: register(
                registry,
                IntCounterVec::new(
                    Opts::new("banyan_jobs_total", "Jobs that ended."),
                    &["result"],
                )?,
            )?,
            jobs_open: gauge(registry, "banyan_jobs_open", "Jobs of which more may come.")?,
            returns: counter(
                registry,
                "banyan_returns_total",
                "Returns that were taken into custody.",
            )?,
            custody_backlog: gauge(
                registry,
                "banyan_custody_backlog_returns",
                "Returns that the parent does not have on disk yet.",
            )?,
            roots_age: register(
                registry,
                Gauge::new(
                    "banyan_roots_age_seconds",
                    "Seconds since the remote of the roots last answered.",
                )?,
            )?,
            roots_errors: counter(
                registry,
                "banyan_roots_errors_total",
                "Fetches of the roots that failed.",
            )?,
            udp_receive_drops: counter(
                registry,
                "banyan_udp_receive_drops_total",
                "Datagrams that the kernel dropped since the receive buffer was full.",
            )?,
            disk: DiskMetrics {
                store_bytes: register(
                    registry,
                    IntGaugeVec::new(
                        Opts::new(
                            "banyan_store_bytes",
                            "Bytes of the store: its two files, and what is in use of the database.",
                        ),
                        &["part"],
                    )?,
                )?,
                free_bytes: disk_free_bytes(registry)?,
            },
            job_cache: JobCacheMetrics {
                backlog: gauge(
                    registry,
                    "banyan_job_cache_backlog_changes",
                    "Changes of jobs that the job cache outside does not have yet.",
                )?,
                failing_since: gauge(
                    registry,
                    "banyan_job_cache_failing_since_seconds",
                    "When the job cache outside began to fail, in seconds since 1970; 0 while it takes what it gets.",
                )?,
                skipped: counter(
                    registry,
                    "banyan_job_cache_skipped_jobs_total",
                    "Jobs that were pruned before the job cache outside had them whole.",
                )?,
            },
            event_return: EventReturnMetrics {
                written: counter(
                    registry,
                    "banyan_event_return_written_total",
                    "Events that were written outside.",
                )?,
                missed: counter(
                    registry,
                    "banyan_event_return_missed_total",
                    "Events that were not written outside, since more came than could wait.",
                )?,
                failing: gauge(
                    registry,
                    "banyan_event_return_failing",
                    "1 while events can't be written outside.",
                )?,
            },
            job_journal: JobJournalMetrics {
                waiting: gauge(
                    registry,
                    "banyan_job_journal_waiting_lines",
                    "Lines of the journal of jobs that could not be written yet.",
                )?,
                lost: counter(
                    registry,
                    "banyan_job_journal_lost_lines_total",
                    "Lines of the journal of jobs that were too many to wait for room.",
                )?,
            },
            store_commit: register(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "banyan_store_commit_seconds",
                        "Seconds that a transaction of the store took, sync included.",
                    )
                    .buckets(vec![
                        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
                    ]),
                )?,
            )?,
            frames_refused: frames_refused(registry)?,
            events: EventMetrics::new(
                registry,
                &["heard", "made", "forwarded", "refused", "dropped"],
            )?,
            roots_info: register(
                registry,
                IntGaugeVec::new(
                    Opts::new("banyan_roots_info", "The roots state in service; always 1."),
                    &["commit"],
                )?,
            )?,
            roots_commit: Mutex::new(String::new()),
        })
    }

    /// `banyan_roots_info{commit}`: this state is in service now; the series of the one before ends. Empty: none is.
    pub fn set_roots_commit(&self, commit: &str) {
        let mut current = self
            .roots_commit
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *current != commit {
            self.roots_info.reset();
            *current = commit.to_owned();
        }
        if !commit.is_empty() {
            self.roots_info.with_label_values(&[commit]).set(1);
        }
    }
}

/// What a hub counts of its store and the disk under it.
#[derive(Clone)]
pub struct DiskMetrics {
    /// `banyan_store_bytes{part}`: the store's files, `database` and `log`; and of the database what is in use, `live`.
    pub store_bytes: IntGaugeVec,
    /// `banyan_disk_free_bytes`: room on the file system of the store.
    pub free_bytes: IntGauge,
}

/// What a hub counts of the job cache outside.
#[derive(Clone)]
pub struct JobCacheMetrics {
    /// `banyan_job_cache_backlog_changes`: what it does not have yet.
    pub backlog: IntGauge,
    /// `banyan_job_cache_failing_since_seconds`: since when it fails; 0: it does not.
    pub failing_since: IntGauge,
    /// `banyan_job_cache_skipped_jobs_total`: jobs that it never gets whole.
    pub skipped: IntCounter,
}

/// What a hub counts of the events that it writes outside.
#[derive(Clone)]
pub struct EventReturnMetrics {
    /// `banyan_event_return_written_total`: events that are there.
    pub written: IntCounter,
    /// `banyan_event_return_missed_total`: events that never will be.
    pub missed: IntCounter,
    /// `banyan_event_return_failing`: 1 while none can be written.
    pub failing: IntGauge,
}

/// What a hub counts of its journal of jobs.
#[derive(Clone)]
pub struct JobJournalMetrics {
    /// `banyan_job_journal_waiting_lines`: lines that could not be written yet.
    pub waiting: IntGauge,
    /// `banyan_job_journal_lost_lines_total`: lines that never will be.
    pub lost: IntCounter,
}

/// What a minion counts.
pub struct MinionMetrics {
    /// `banyan_links{role, direction}`: open links, all of them `up`.
    pub links: IntGaugeVec,
    /// `banyan_functions_total{result}`: functions that ended, `ok` or `failed`.
    pub functions: IntCounterVec,
    /// `banyan_functions_running`: functions that run now.
    pub functions_running: IntGauge,
    /// `banyan_journal_bytes`: size of the journal.
    pub journal_bytes: IntGauge,
    /// `banyan_journal_unsettled_bytes`: returns that the origin does not have yet.
    pub journal_unsettled_bytes: IntGauge,
    /// `banyan_disk_free_bytes`: room on the file system of the journal.
    pub disk_free_bytes: IntGauge,
    /// `banyan_frames_refused_total`: frames that were malformed, too long or not allowed.
    pub frames_refused: IntCounter,
    /// Events.
    pub events: EventMetrics,
}

impl MinionMetrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// When the registry has one of them already.
    pub fn new(registry: &Registry) -> Result<MinionMetrics, MetricsError> {
        build_info(registry)?;
        Ok(MinionMetrics {
            links: links(registry)?,
            functions: register(
                registry,
                IntCounterVec::new(
                    Opts::new("banyan_functions_total", "Functions that ended."),
                    &["result"],
                )?,
            )?,
            functions_running: gauge(
                registry,
                "banyan_functions_running",
                "Functions that run now.",
            )?,
            journal_bytes: gauge(registry, "banyan_journal_bytes", "Bytes of the journal.")?,
            journal_unsettled_bytes: gauge(
                registry,
                "banyan_journal_unsettled_bytes",
                "Bytes of the returns that the origin of their job does not have yet.",
            )?,
            disk_free_bytes: disk_free_bytes(registry)?,
            frames_refused: frames_refused(registry)?,
            events: EventMetrics::new(registry, &["sent", "dropped"])?,
        })
    }
}

fn build_info(registry: &Registry) -> Result<(), MetricsError> {
    register(
        registry,
        IntGaugeVec::new(
            Opts::new("banyan_build_info", "The version of the program; always 1."),
            &["version"],
        )?,
    )?
    .with_label_values(&[env!("CARGO_PKG_VERSION")])
    .set(1);
    Ok(())
}

fn links(registry: &Registry) -> Result<IntGaugeVec, MetricsError> {
    register(
        registry,
        IntGaugeVec::new(
            Opts::new("banyan_links", "Open links to other nodes."),
            &["role", "direction"],
        )?,
    )
}

fn disk_free_bytes(registry: &Registry) -> Result<IntGauge, MetricsError> {
    gauge(
        registry,
        "banyan_disk_free_bytes",
        "Bytes that are free on the file system of the node's state.",
    )
}

fn frames_refused(registry: &Registry) -> Result<IntCounter, MetricsError> {
    counter(
        registry,
        "banyan_frames_refused_total",
        "Frames that were malformed, too long or not allowed.",
    )
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, MetricsError> {
    register(registry, IntCounter::new(name, help)?)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, MetricsError> {
    register(registry, IntGauge::new(name, help)?)
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, MetricsError> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_those_of_the_dashboards() {
        let registry = Registry::new();
        let hub = HubMetrics::new(&registry).unwrap();
        hub.links.with_label_values(&["minion", "down"]).set(3);
        hub.roster_nodes.with_label_values(&["minion", "up"]).set(2);
        hub.jobs.with_label_values(&["ok"]).inc();
        hub.set_roots_commit("aa");
        hub.disk.store_bytes.with_label_values(&["live"]).set(1);
        hub.store_commit.observe(0.002);
        let names: Vec<String> = registry
            .gather()
            .iter()
            .map(|f| f.name().to_owned())
            .collect();
        assert_eq!(
            names,
            [
                "banyan_build_info",
                "banyan_custody_backlog_returns",
                "banyan_disk_free_bytes",
                "banyan_event_return_failing",
                "banyan_event_return_missed_total",
                "banyan_event_return_written_total",
                "banyan_events_total",
                "banyan_frames_refused_total",
                "banyan_job_cache_backlog_changes",
                "banyan_job_cache_failing_since_seconds",
                "banyan_job_cache_skipped_jobs_total",
                "banyan_job_journal_lost_lines_total",
                "banyan_job_journal_waiting_lines",
                "banyan_jobs_open",
                "banyan_jobs_total",
                "banyan_links",
                "banyan_returns_total",
                "banyan_roots_age_seconds",
                "banyan_roots_errors_total",
                "banyan_roots_info",
                "banyan_roster_nodes",
                "banyan_store_bytes",
                "banyan_store_commit_seconds",
                "banyan_udp_receive_drops_total",
            ]
        );
    }

    #[test]
    fn one_commit_is_in_service() {
        let registry = Registry::new();
        let hub = HubMetrics::new(&registry).unwrap();
        for (commit, series) in [("aa", 1), ("bb", 1), ("bb", 1), ("", 0)] {
            hub.set_roots_commit(commit);
            let count: usize = registry
                .gather()
                .iter()
                .filter(|family| family.name() == "banyan_roots_info")
                .map(|family| family.get_metric().len())
                .sum();
            assert_eq!(count, series, "{commit:?}");
        }
    }

    #[test]
    fn a_minion_registers_its_own_and_nothing_twice() {
        let registry = Registry::new();
        let minion = MinionMetrics::new(&registry).unwrap();
        minion.functions.with_label_values(&["ok"]).inc();
        assert!(MinionMetrics::new(&registry).is_err());
    }
}
