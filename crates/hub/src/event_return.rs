//! Events that are written outside, as Salt's `event_return` does it, on a thread of their own.
//!
//! Events promise nothing: what comes while the place takes none waits in memory, so much and no more, and the log says how
//! many are missing. What is written is there once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use daemon::clock::Clock;
use daemon::config::EventReturn as Settings;
use daemon::metrics::EventReturnMetrics;
use events::{Event, Filters, Item};
use jobcache::{Cache, EventBatch};
use wire::Uid;

use crate::events::Subscription;
use crate::outage::Outage;
use crate::places::place;
use crate::service::Service;

/// Events that go out together, at most.
const TOGETHER_MAX: usize = 500;
/// Events that follow each other go out together.
const GATHER: Duration = Duration::from_millis(100);
/// How often missing events are told of, at most.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What is needed beside the settings.
pub(crate) struct Surroundings {
    pub(crate) uid: Uid,
    /// The id of this hub, as the rows name it.
    pub(crate) id: String,
    pub(crate) service: Arc<Service>,
    pub(crate) clock: Clock,
    pub(crate) metrics: EventReturnMetrics,
}

/// Starts the thread.
///
/// # Errors
/// When globs of the settings are no filter, or the system gives no thread.
pub(crate) async fn start(settings: &Settings, surroundings: Surroundings) -> anyhow::Result<()> {
    let filters =
        |name: &str, globs: &[String]| Filters::new(globs).with_context(|| format!("`{name}`"));
    let refused = filters("event_return_blacklist", &settings.blacklist)?;
    let wanted = if settings.whitelist.is_empty() {
        Filters::everything()
    } else {
        filters("event_return_whitelist", &settings.whitelist)?
    };
    let place = place(&settings.place)?;
    let Surroundings {
        uid,
        id,
        service,
        clock,
        metrics,
    } = surroundings;
    let subscription = service
        .subscribe(wanted)
        .await?
        .context("too many read events already")?;
    let writer = Writer {
        cache: Cache::new(place.clone(), uid.to_string()),
        outage: Outage::new("event return", place.to_string(), clock),
        id,
        subscription,
        refused,
        clock,
        metrics,
        missing: 0,
        told: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime of the event return does not start")?;
    std::thread::Builder::new()
        .name("event-return".to_owned())
        .spawn(move || runtime.block_on(writer.run()))
        .context("no thread for the event return")?;
    Ok(())
}

struct Writer {
    cache: Cache,
    outage: Outage,
    id: String,
    subscription: Subscription,
    refused: Filters,
    clock: Clock,
    metrics: EventReturnMetrics,
    /// Events that never came here, and were not told of yet.
    missing: u64,
    told: Option<Instant>,
}

impl Writer {
    /// For as long as the hub runs.
    async fn run(mut self) {
        loop {
            let batch = self.gather().await;
            self.tell();
            if batch.events.is_empty() {
                continue;
            }
            while let Err(error) = self.cache.write_events(&self.id, &batch).await {
                let waiting = i64::try_from(batch.events.len()).unwrap_or(i64::MAX);
                let (_, pause) = self.outage.goes_on(&error.into(), waiting);
                self.metrics.failing.set(1);
                tokio::time::sleep(pause).await;
            }
            self.outage.over();
            self.metrics.failing.set(0);
            self.metrics.written.inc_by(batch.events.len() as u64);
        }
    }

    /// Waits for an event, and takes what follows within a moment.
    async fn gather(&mut self) -> EventBatch {
        let mut batch = EventBatch {
            token: token(self.clock.now()),
            events: Vec::new(),
        };
        let first = self.subscription.next().await;
        self.take(first, &mut batch);
        let end = tokio::time::Instant::now() + GATHER;
        while batch.events.len() < TOGETHER_MAX {
            match tokio::time::timeout_at(end, self.subscription.next()).await {
                Ok(item) => self.take(item, &mut batch),
                Err(_) => break,
            }
        }
        batch
    }

    fn take(&mut self, item: Item<Event>, batch: &mut EventBatch) {
        match item {
            Item::One(event) if self.refused.matches(&event.tag) => {}
            Item::One(event) => batch.events.push(jobcache::Event {
                data: String::from_utf8_lossy(&event.data).into_owned(),
                tag: event.tag,
                heard: self.clock.now(),
            }),
            Item::Gap(count) => {
                self.metrics.missed.inc_by(count);
                self.missing += count;
            }
        }
    }

    fn tell(&mut self) {
        if self.missing == 0 || self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        self.told = Some(Instant::now());
        let missing = std::mem::take(&mut self.missing);
        tracing::error!(
            alarm = true,
            missing,
            "events were not written: more came than the event return took"
        );
    }
}

/// A number that no other batch has. Where the system has no chance to give, the time has to do.
fn token(now: u64) -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => now,
    }
}
