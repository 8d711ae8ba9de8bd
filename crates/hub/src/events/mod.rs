//! The event bus of a hub: readers on this host, parents that read, children that are told what is read.
//!
//! It stands beside the machine: events promise nothing, and so cost nothing where nobody reads. What children tell passes the
//! same gate as all that they say.

mod chronicle;
mod follow;
mod roll;
mod state;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use daemon::clock::Clock;
use daemon::metrics::EventMetrics;
use events::{Event, Filters, Item, Queue};
use relay::{LinkId, Peer};
use tokio::sync::Notify;
use wire::{Events, Up, codec};

pub use chronicle::Chronicle;
use state::State;

/// The bus.
pub struct Bus {
    state: Mutex<State>,
    /// Whether anybody reads anything.
    is_read: AtomicBool,
    clock: Clock,
    metrics: EventMetrics,
}

/// What a child told was heard, or is for the machine to refuse.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// It is done.
    Taken,
    /// It was too much: whoever tells may wait a little.
    TooMuch,
    /// It may not say this.
    Refused(Events),
}

impl Bus {
    /// A bus that nobody reads.
    pub fn new(clock: Clock, metrics: EventMetrics) -> Arc<Bus> {
        Arc::new(Bus {
            state: Mutex::new(State::new(clock.now())),
            is_read: AtomicBool::new(false),
            clock,
            metrics,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to read events whose tags match, until the subscription is dropped; None when too many read already.
    pub fn subscribe(self: &Arc<Self>, filters: Filters) -> Option<Subscription> {
        let reader = Arc::new(Reader {
            filters,
            waiting: Mutex::new(Queue::new(events::WAITING_MAX, events::WAITING_BYTES_MAX)),
            more: Notify::new(),
        });
        let number = self.state().add_reader(reader.clone())?;
        self.filters_changed();
        Some(Subscription {
            bus: self.clone(),
            number,
            reader,
        })
    }

    /// Whether anybody on this host may read tags with this beginning.
    pub fn is_read_below(&self, prefix: &str) -> bool {
        self.is_read.load(Ordering::Relaxed) && self.state().is_read_below(prefix)
    }

    /// Whether anybody on this host reads this tag.
    pub fn is_read(&self, tag: &str) -> bool {
        self.is_read.load(Ordering::Relaxed) && self.state().is_tag_read(tag)
    }

    /// What this hub knows by itself, for readers on this host: parents know it too.
    pub fn publish(&self, event: &Event) {
        let dropped = self.state().publish(event);
        self.metrics.count("made", 1);
        self.metrics.count("dropped", dropped);
    }

    /// A child's session stands; it is not welcomed yet.
    pub fn child_connected(&self, link: LinkId, peer: Peer, sender: link::Sender) {
        let now = self.clock.now();
        self.state().add_child(link, peer, sender, now);
    }

    /// A child was welcomed in this protocol: from now on it may tell, and hears what is read.
    pub fn child_welcomed(&self, link: LinkId, protocol: u16) {
        if protocol >= wire::PROTOCOL_EVENTS {
            self.state().child_speaks(link);
        }
    }

    /// A child's session is over, or will be.
    pub fn child_gone(&self, link: LinkId) {
        self.state().remove_child(link);
    }

    /// A child tells events.
    pub fn heard(&self, link: LinkId, events: Events) -> Heard {
        let now = self.clock.now();
        let mut state = self.state();
        let Some(peer) = state.peer(link) else {
            return Heard::Refused(events);
        };
        if relay::may_tell(&peer, &events).is_err() {
            return Heard::Refused(events);
        }
        let told = state.heard(link, events, now);
        drop(state);
        self.metrics.count("heard", told.heard);
        self.metrics.count("forwarded", told.forwarded);
        self.metrics.count("refused", told.refused);
        self.metrics.count("dropped", told.dropped);
        if told.is_too_much {
            Heard::TooMuch
        } else {
            Heard::Taken
        }
    }

    /// A session with a parent stands: gives what sends it the events that it reads, until the session is over.
    pub fn parent_connected(
        &self,
        link: LinkId,
        sender: link::Sender,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (more, outbox) = self.state().add_parent(link);
        link::trickle(sender, more, move || {
            let events = outbox
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()?;
            codec::frame(&Up::Events(events))
                .inspect_err(|error| tracing::error!(%error, "events do not fit"))
                .ok()
                .map(Bytes::from)
        })
    }

    /// A parent says what is read above.
    pub fn parent_reads(&self, link: LinkId, globs: &[String]) {
        // More than may be, or what makes no sense, is rather too much than too little.
        let filters = Filters::new(&events::widened(globs.iter().map(String::as_str)));
        let filters = filters.unwrap_or_else(|_| Filters::everything());
        self.state().set_parent(link, filters);
        self.filters_changed();
    }

    /// A session with a parent is over.
    pub fn parent_gone(&self, link: LinkId) {
        self.state().remove_parent(link);
        self.filters_changed();
    }

    /// Now and then.
    pub fn observe(&self) {
        let now = self.clock.now();
        self.state().observe(now);
    }

    fn filters_changed(&self) {
        let now = self.clock.now();
        let mut state = self.state();
        state.filters_changed(now);
        self.is_read.store(state.is_read(), Ordering::Relaxed);
    }
}

/// One who reads.
struct Reader {
    filters: Filters,
    waiting: Mutex<Queue<Event>>,
    more: Notify,
}

impl Reader {
    fn waiting(&self) -> MutexGuard<'_, Queue<Event>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads events until it is dropped.
pub struct Subscription {
    bus: Arc<Bus>,
    number: u64,
    reader: Arc<Reader>,
}

impl Subscription {
    /// The next event, or how many are missing here.
    pub async fn next(&self) -> Item<Event> {
        loop {
            if let Some(item) = self.reader.waiting().pop() {
                return item;
            }
            self.reader.more.notified().await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.bus.state().remove_reader(self.number);
        self.bus.filters_changed();
    }
}
