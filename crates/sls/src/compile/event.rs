//! The events that states ask for with `fire_event`.

use serde_json::{Map, Value};

use super::value::{is_truthy, text};

/// Characters of a name in a tag, at most: no name is longer than a tag may be.
const NAME_CHARACTERS_MAX: usize = 200;

/// The tag of the event that a state asks for, or that all states give where `wish` is none: of the run `jid` of the minion `id`, by what
/// its record says.
pub fn event_tag(wish: Option<&Value>, jid: &str, id: &str, record: &Map<String, Value>) -> String {
    let null = Value::Null;
    let of_name = |name: &Value| {
        let plain = text(name);
        let plain = plain.chars().map(|c| if c.is_control() { ' ' } else { c });
        let name: String = plain.take(NAME_CHARACTERS_MAX).collect();
        format!("salt/state_result/{jid}/{id}/{name}")
    };
    match wish.filter(|wish| is_truthy(wish)) {
        Some(Value::Bool(true)) => of_name(record.get("name").unwrap_or(&null)),
        Some(word @ Value::String(_)) => of_name(word),
        // Anything else that is true asks for an event and names none, as in Salt.
        _ => {
            let number = text(record.get("__run_num__").unwrap_or(&null));
            format!("salt/job/{jid}/prog/{id}/{number}")
        }
    }
}
