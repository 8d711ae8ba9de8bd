//! The event bus as a command line follows it.

use std::sync::PoisonError;

use events::{Filters, Item};
use wire::control::{FailureKind, Tell};

use super::Subscription;
use super::state::READERS_MAX;
use crate::control::{Teller, failed};
use crate::service::Service;

impl Service {
    /// Begins to read events; what happens after this returns is told. None when too many read already.
    ///
    /// # Errors
    /// While the hub stops.
    pub(crate) async fn subscribe(&self, filters: Filters) -> anyhow::Result<Option<Subscription>> {
        let Some(subscription) = self.bus.subscribe(filters) else {
            return Ok(None);
        };
        let chronicle = self.chronicle.clone();
        let now = self.engine.clock().now();
        let begin = move |hub: &relay::Hub| {
            let mut chronicle = chronicle.lock().unwrap_or_else(PoisonError::into_inner);
            chronicle.begin(hub, now);
        };
        self.engine.query(begin).await?;
        Ok(Some(subscription))
    }

    /// Tells events until the command line hangs up.
    pub(crate) async fn follow_events(
        &self,
        globs: &[String],
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        let filters = match Filters::new(globs) {
            Ok(filters) => filters,
            Err(error) => {
                let tell = failed(FailureKind::Usage, error.to_string());
                return teller.tell(&tell).await;
            }
        };
        let Some(subscription) = self.subscribe(filters).await? else {
            let words = format!("{READERS_MAX} follow the events of this hub already");
            return teller.tell(&failed(FailureKind::Refused, words)).await;
        };
        teller.tell(&Tell::Done).await?;
        loop {
            let item = tokio::select! {
                item = subscription.next() => item,
                () = teller.hung_up() => return Ok(()),
            };
            let tell = match item {
                Item::One(event) => Tell::Event {
                    tag: event.tag,
                    data: event.data,
                },
                Item::Gap(count) => Tell::EventsLost(count),
            };
            teller.tell(&tell).await?;
        }
    }
}
