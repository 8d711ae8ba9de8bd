//! Events of hostile children, filters of hostile parents, reaction files that anyone may have written.

use events::{Filters, Outbox, Rate, Seen, of_minion, reaction, tag, widened};
use relay::may_tell;
use wire::limits::{MAX_EVENT_FILTERS, MAX_FRAME};
use wire::{Down, Event, Events, Role, Up, codec};

use crate::hub::reads_back;
use crate::script::Script;
use crate::words::{NOW, peer};

/// A hub's bus: what passes the gate was told by who may, fits into frames, and is sent or counted.
pub(crate) fn bus(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let globs = script.some(80, Script::tag);
    let union = widened(globs.iter().map(String::as_str));
    assert!(union.len() <= MAX_EVENT_FILTERS);
    reads_back!(Down, &Down::EventFilters(union.clone()));
    let reads = Filters::new(&union).unwrap_or_else(|_| Filters::everything());

    let role = script.one_of(&[Role::Minion, Role::Syndic, Role::TopMaster]);
    let site = script.site();
    let child = peer(script.below(3), role, site.as_str());
    let (mut outbox, mut seen, mut rate) = (Outbox::default(), Seen::default(), Rate::new(3, NOW));
    let (mut pushed, mut dropped) = (0, 0_u64);
    while !script.is_over() {
        let told = match script.below(4) {
            0 => match codec::decode::<Up>(script.bytes()) {
                Ok(Up::Events(told)) => told,
                _ => continue,
            },
            _ => Events {
                events: script.some(4, Script::event),
                dropped: script.number(),
            },
        };
        if may_tell(&child, &told).is_err() {
            continue;
        }
        assert!(told.are_bounded());
        outbox.miss(told.dropped);
        dropped = dropped.saturating_add(told.dropped);
        for event in told.events {
            assert!(role == Role::Syndic && site.contains(&event.path) || event.id == child.id);
            let is_read = globs.iter().any(|glob| {
                Filters::new(std::slice::from_ref(glob))
                    .is_ok_and(|filters| filters.matches(&event.tag))
            });
            assert!(
                !is_read || reads.matches(&event.tag),
                "a union is no narrower"
            );
            if let Some(slash) = event.tag.find('/')
                && reads.matches(&event.tag)
            {
                assert!(reads.may_match_below(&event.tag[..slash]));
            }
            let is_first = seen.is_first(&event);
            assert!(!seen.is_first(&event), "an event counts once");
            let passes = is_first && rate.take(script.time());
            if !passes || tag::check(&event.tag, event.id.as_str()).is_err() {
                continue;
            }
            assert!(!event.tag.starts_with("banyan/"), "hubs say so themselves");
            if let Some(shown) = of_minion(&event) {
                let data: serde_json::Value =
                    serde_json::from_slice(&shown.data).expect("what is shown is JSON");
                assert_eq!(data["id"], event.id.as_str());
            }
            if outbox.push(event) {
                pushed += 1;
            } else {
                dropped = dropped.saturating_add(1);
            }
        }
    }
    let (mut sent, mut told_dropped) = (0, 0_u64);
    while let Some(events) = outbox.take() {
        sent += events.events.len();
        told_dropped = told_dropped.saturating_add(events.dropped);
        let frame = codec::frame(&Up::Events(events)).expect("it fits into a frame");
        assert!(frame.len() < MAX_FRAME);
    }
    assert_eq!((sent, told_dropped), (pushed, dropped));
}

/// A reaction file that is any JSON: it is read or refused, and what is read aims at somebody.
pub(crate) fn reactions(bytes: &[u8]) {
    let Ok(file) = serde_json::from_slice(bytes) else {
        return;
    };
    match reaction::read(&file) {
        Ok(reactions) => {
            for reaction in reactions {
                let is_local = reaction.client == reaction::Client::Local;
                assert!(is_local || reaction.target.is_empty());
            }
        }
        Err(words) => assert!(!words.is_empty()),
    }
}

impl Script<'_> {
    fn tag(&mut self) -> String {
        let words = [
            "*",
            "a/*",
            "a/b",
            "salt/*",
            "salt/job/*/ret/*",
            "salt/job/1/prog/n1/2",
            "salt/state_result/1/n1/x",
            "salt/key",
            "banyan/site/a/cut",
            "[a]?c",
        ];
        match self.below(4) {
            0 => self.text(),
            1 => "x".repeat(usize::from(self.byte()) * 8),
            _ => self.one_of(&words).to_owned(),
        }
    }

    pub(crate) fn event(&mut self) -> Event {
        let role = Role::Minion;
        let peer = peer(self.below(3), role, self.site().as_str());
        Event {
            id: peer.id,
            path: peer.path,
            number: self.number(),
            stamp: self.time(),
            jid: self.yes().then(|| self.jid()),
            tag: self.tag(),
            data: match self.below(3) {
                0 => self.bytes().into(),
                1 => vec![b'1'; usize::from(self.byte()) * 2_000].into(),
                _ => self.value(),
            },
        }
    }
}
