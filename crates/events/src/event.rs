//! One event as readers see it: a tag, and data in the shape that Salt gives it.

use serde_json::{Map, Value};
use wire::{Json, UnixMillis};

/// One event as readers see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What kind.
    pub tag: String,
    /// A JSON object, with `_stamp` in it.
    pub data: Json,
}

impl Event {
    /// What a hub knows by itself.
    pub fn of_hub(tag: String, mut data: Map<String, Value>, now: UnixMillis) -> Event {
        data.insert("_stamp".to_owned(), stamp(now).into());
        Event {
            tag,
            data: text(data),
        }
    }
}

/// What a minion sent; none when its data is no JSON.
pub fn of_minion(event: &wire::Event) -> Option<Event> {
    let inner: Value = serde_json::from_slice(&event.data).ok()?;
    let is_return =
        event.tag.starts_with("salt/job/") && event.tag.split('/').nth(3) == Some("ret");
    let is_beacon = event.tag.starts_with("salt/beacon/");
    let mut data = match inner {
        // As the return of a job that a hub ordered, and as Salt tells of beacons.
        Value::Object(own) if is_return || is_beacon => own,
        inner => Map::from_iter([("data".to_owned(), inner)]),
    };
    data.insert("_stamp".to_owned(), stamp(event.stamp).into());
    data.insert("id".to_owned(), event.id.as_str().into());
    data.insert("site".to_owned(), event.path.as_str().into());
    if !is_beacon {
        let cmd = if is_return {
            "_return"
        } else {
            "_minion_event"
        };
        data.insert("cmd".to_owned(), cmd.into());
        if let Some(jid) = event.jid {
            data.insert("jid".to_owned(), jid.to_string().into());
        }
    }
    if !is_return && !is_beacon {
        data.insert("pretag".to_owned(), Value::Null);
        data.insert("tag".to_owned(), event.tag.as_str().into());
    }
    Some(Event {
        tag: event.tag.clone(),
        data: text(data),
    })
}

fn text(data: Map<String, Value>) -> Json {
    Value::Object(data).to_string().into_bytes().into()
}

/// A time as Salt's `_stamp` has it: UTC, to the microsecond, without a zone.
pub fn stamp(at: UnixMillis) -> String {
    let time = i64::try_from(at)
        .ok()
        .and_then(|at| jiff::Timestamp::from_millisecond(at).ok())
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(data: &str) -> wire::Event {
        wire::Event {
            id: "web1".parse().unwrap(),
            path: "eu/ams".parse().unwrap(),
            number: 1,
            stamp: 1_795_387_039_123,
            jid: None,
            tag: "a/b".to_owned(),
            data: data.as_bytes().into(),
        }
    }

    #[test]
    fn an_event_of_a_minion_has_the_shape_that_salt_gives_it() {
        let event = of_minion(&sent(r#"{"x":1}"#)).unwrap();
        let data: Value = serde_json::from_slice(&event.data).unwrap();
        assert_eq!(
            data,
            serde_json::json!({
                "_stamp": "2026-11-22T22:37:19.123000",
                "cmd": "_minion_event",
                "data": {"x": 1},
                "id": "web1",
                "pretag": null,
                "site": "eu/ams",
                "tag": "a/b",
            })
        );
        assert_eq!(of_minion(&sent("{")), None);
        let mut ret = sent(r#"{"return":true,"id":"other"}"#);
        ret.tag = "salt/job/20261122223719123099/ret/web1".to_owned();
        let event = of_minion(&ret).unwrap();
        let data: Value = serde_json::from_slice(&event.data).unwrap();
        let expected = serde_json::json!({
            "_stamp": "2026-11-22T22:37:19.123000", "cmd": "_return", "id": "web1", "return": true, "site": "eu/ams",
        });
        assert_eq!(data, expected);
        let mut seen = sent(r#"{"1m":3.0}"#);
        seen.tag = "salt/beacon/web1/load/".to_owned();
        let event = of_minion(&seen).unwrap();
        let data: Value = serde_json::from_slice(&event.data).unwrap();
        let expected = serde_json::json!({
            "_stamp": "2026-11-22T22:37:19.123000", "1m": 3.0, "id": "web1", "site": "eu/ams",
        });
        assert_eq!(data, expected);
    }

    #[test]
    fn no_time_is_too_far_for_a_stamp() {
        assert_eq!(stamp(u64::MAX), stamp(0));
        assert_eq!(stamp(i64::MAX as u64), stamp(0));
    }
}
