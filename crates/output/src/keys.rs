//! Keys by standing, in the shape of `salt-key`.

use data::python;
use serde_json::Value;
use wire::control::KeyRow;
use wire::{KeyDecision, Role, Standing};

use crate::escape::escape;
use crate::style::{Style, Tone};
use crate::tree::site_name;

/// Headings in the order of `salt-key -L`.
const SECTIONS: [(Standing, &str); 4] = [
    (Standing::Accepted, "Accepted Keys:"),
    (Standing::Denied, "Denied Keys:"),
    (Standing::Pending, "Unaccepted Keys:"),
    (Standing::Rejected, "Rejected Keys:"),
];

/// All four sections with the ids in them. The key of a syndic says so, since accepting it lets in its whole subtree.
pub fn keys(rows: &[KeyRow], style: Style) -> String {
    sections(rows, style, true, |row, tone| match row.role {
        Role::Minion => style.paint(tone, &escape(&row.id)),
        role => format!(
            "{} ({role} of {})",
            style.paint(tone, &escape(&row.id)),
            site_name(&row.path)
        ),
    })
}

/// The sections that have keys, each key with its fingerprint.
pub fn fingerprints(rows: &[KeyRow], style: Style) -> String {
    sections(rows, style, false, |row, tone| {
        format!(
            "{}:  {}",
            style.paint(tone, &escape(&row.id)),
            escape(&row.fingerprint)
        )
    })
}

/// Keys as `salt-key` and `wheel.key` name their standings; None when it is something else. Standings that are not there have no
/// heading.
pub(crate) fn standings(value: &Value, style: Style) -> Option<String> {
    let map = value.as_object()?;
    let mut out = String::new();
    let names = SECTIONS.map(|(standing, _)| standing.in_salt());
    if map
        .keys()
        .any(|key| !names.contains(&key.as_str()) && key != "local")
    {
        return None;
    }
    for (standing, heading) in SECTIONS {
        let Some(keys) = map.get(standing.in_salt()) else {
            continue;
        };
        let mut lines: Vec<String> = match keys {
            Value::Array(ids) => ids.iter().map(python::text).collect(),
            Value::Object(keys) => keys
                .iter()
                .map(|(id, finger)| format!("{id}:  {}", python::text(finger)))
                .collect(),
            _ => return None,
        };
        lines.sort();
        out.push_str(&style.paint(Tone::Heading, heading));
        out.push('\n');
        for line in lines {
            out.push_str(&style.paint(tone(standing), &escape(&line)));
            out.push('\n');
        }
    }
    Some(out)
}

fn tone(standing: Standing) -> Tone {
    match standing {
        Standing::Accepted => Tone::Text,
        Standing::Pending => Tone::Literal,
        Standing::Rejected | Standing::Denied => Tone::Bad,
    }
}

fn sections(
    rows: &[KeyRow],
    style: Style,
    with_empty: bool,
    line: impl Fn(&KeyRow, Tone) -> String,
) -> String {
    let mut out = String::new();
    for (standing, heading) in SECTIONS {
        let mut keys: Vec<_> = rows.iter().filter(|row| row.standing == standing).collect();
        keys.sort_by_key(|row| (&row.id, &row.fingerprint));
        if keys.is_empty() && !with_empty {
            continue;
        }
        let tone = tone(standing);
        out.push_str(&style.paint(Tone::Heading, heading));
        out.push('\n');
        for key in keys {
            out.push_str(&line(key, tone));
            out.push('\n');
        }
    }
    out
}

/// One line for each key that a decision changed.
pub fn decided(rows: &[KeyRow], decision: KeyDecision) -> String {
    let verb = match decision {
        KeyDecision::Accept => "accepted",
        KeyDecision::Reject => "rejected",
        KeyDecision::Delete => "deleted",
        KeyDecision::Deny => "denied",
    };
    rows.iter()
        .map(|row| format!("Key for {} {} {verb}.\n", row.role, escape(&row.id)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, role: Role, standing: Standing) -> KeyRow {
        KeyRow {
            id: id.to_owned(),
            role,
            path: "eu/ams".to_owned(),
            standing,
            fingerprint: format!("aa:{id}"),
        }
    }

    #[test]
    fn lists_by_standing() {
        let rows = [
            row("web2", Role::Minion, Standing::Accepted),
            row("web1", Role::Minion, Standing::Accepted),
            row("ams1", Role::Syndic, Standing::Pending),
            row("bad\x1b", Role::Minion, Standing::Denied),
        ];
        assert_eq!(
            keys(&rows, Style::PLAIN),
            "Accepted Keys:\nweb1\nweb2\nDenied Keys:\nbad\\x1b\nUnaccepted Keys:\nams1 (syndic of eu/ams)\nRejected Keys:\n"
        );
        assert_eq!(
            fingerprints(&rows[..3], Style::PLAIN),
            "Accepted Keys:\nweb1:  aa:web1\nweb2:  aa:web2\nUnaccepted Keys:\nams1:  aa:ams1\n"
        );
        assert_eq!(
            decided(&rows[1..3], KeyDecision::Accept),
            "Key for minion web1 accepted.\nKey for syndic ams1 accepted.\n"
        );
    }
}
