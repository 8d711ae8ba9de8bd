//! What the journal says, for people and for programs.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use daemon::config::HubConfig;
use serde_json::Value;
use targeting::Glob;

/// Longest line that is read: a target may have a mebibyte.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// Which lines.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Not older than this.
    pub since: Option<Duration>,
    /// Of users whose names match.
    pub user: Option<String>,
    /// About functions whose names match.
    pub function: Option<String>,
    /// As they stand in the file.
    pub raw: bool,
}

/// Prints the lines of a hub's journal that are wanted, oldest first.
///
/// # Errors
/// When there is none, or the file can't be read. A reader of the output that has gone is none.
pub fn print(config: &HubConfig, wanted: &Wanted) -> anyhow::Result<()> {
    let path = config
        .journal_file
        .as_deref()
        .context("there is no journal: `journal_file` in the settings names one")?;
    show(path, wanted, &mut std::io::stdout().lock())
}

fn show(path: &Path, wanted: &Wanted, out: &mut dyn Write) -> anyhow::Result<()> {
    let since = wanted.since.map(|span| {
        let span = jiff::SignedDuration::try_from(span).unwrap_or(jiff::SignedDuration::MAX);
        jiff::Timestamp::now()
            .checked_sub(span)
            .unwrap_or(jiff::Timestamp::MIN)
    });
    let wanted = Filter {
        since,
        user: wanted.user.as_deref().map(Glob::new),
        function: wanted.function.as_deref().map(Glob::new),
        raw: wanted.raw,
    };
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let mut file = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut part = std::io::Read::take(&mut file, LINE_BYTES_MAX);
        if part
            .read_until(b'\n', &mut line)
            .with_context(|| path.display().to_string())?
            == 0
        {
            return Ok(());
        }
        let Some(text) = wanted.text(&line) else {
            continue;
        };
        match writeln!(out, "{text}") {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
}

struct Filter {
    since: Option<jiff::Timestamp>,
    user: Option<Glob>,
    function: Option<Glob>,
    raw: bool,
}

impl Filter {
    /// What is printed of a line; None: it is not wanted. A line that is torn, or none of ours, is printed as it is.
    fn text(&self, line: &[u8]) -> Option<String> {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        let Ok(entry) = serde_json::from_str::<Value>(line) else {
            return (!line.is_empty()).then(|| line.escape_debug().to_string());
        };
        let field = |name: &str| entry[name].as_str();
        // That lines are lost concerns whoever looks.
        if field("event") != Some("lost") {
            let at = field("time").and_then(|at| at.parse::<jiff::Timestamp>().ok());
            let is_late = self.since.is_none_or(|since| at >= Some(since));
            let is = |glob: &Option<Glob>, name: &str| {
                let says = |glob: &Glob| glob.matches(field(name).unwrap_or_default());
                glob.as_ref().is_none_or(says)
            };
            if !is_late || !is(&self.user, "user") || !is(&self.function, "fun") {
                return None;
            }
        }
        Some(match self.raw {
            true => line.to_owned(),
            false => words(&entry),
        })
    }
}

/// An entry on one line.
fn words(entry: &Value) -> String {
    let text = |name: &str| match &entry[name] {
        Value::Null => String::new(),
        // Control characters of other people stay off the terminal.
        Value::String(text) => text.escape_debug().to_string(),
        other => other.to_string(),
    };
    if entry["event"] == "lost" {
        return format!("({} lines are lost here)", text("lines"));
    }
    let mut said = format!("{} {:<8}", text("time"), text("event"));
    let jid = text("jid");
    if !jid.is_empty() {
        let _ = write!(said, " {jid}");
    }
    let _ = write!(
        said,
        " {} {} on {}",
        text("user"),
        text("fun"),
        text("target")
    );
    match entry["event"].as_str() {
        Some("accepted") => {
            let _ = write!(said, ": {} minions", text("minions"));
            if entry["undecided"] != 0 {
                let _ = write!(said, ", {} undecided", text("undecided"));
            }
            if let Some(roots) = entry["roots"].as_str() {
                let _ = write!(said, ", roots {}", roots.get(..12).unwrap_or(roots));
            }
            if !entry["override"].is_null() {
                let _ = write!(said, ", override: {}", text("override"));
            }
        }
        Some("finished") => {
            let _ = write!(said, ": {} expected", text("expected"));
            for (kind, count) in entry["outcomes"].as_object().into_iter().flatten() {
                let _ = write!(said, ", {count} {kind}");
            }
            let _ = write!(said, " in {} ms", text("took_ms"));
        }
        _ => {
            if !entry["minions"].is_null() {
                let _ = write!(said, ": {} minions of {}", text("minions"), text("origin"));
            }
            let _ = write!(said, ": {}", text("reason"));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::{Filter, Glob};

    const ACCEPTED: &[u8] = br#"{"time":"2026-11-28T12:00:00Z","event":"accepted","jid":"20261128120000000001","user":"root","fun":"state.apply","target":"web*","minions":3,"undecided":0,"roots":"0123456789abcdef","override":"a \u001b[31mreason"}"#;
    const REFUSED: &[u8] = br#"{"time":"2026-11-28T12:00:05Z","event":"refused","jid":null,"user":"ann","fun":"cmd.run","target":"*","minions":null,"reason":"no rule"}"#;

    fn filter() -> Filter {
        Filter {
            since: None,
            user: None,
            function: None,
            raw: false,
        }
    }

    #[test]
    fn entries_are_lines_for_people() {
        let check = |line: &[u8], expected: &str| {
            assert_eq!(filter().text(line).as_deref(), Some(expected));
        };
        check(
            ACCEPTED,
            "2026-11-28T12:00:00Z accepted 20261128120000000001 root state.apply on web*: 3 minions, roots 0123456789ab, override: a \\u{1b}[31mreason",
        );
        check(
            REFUSED,
            "2026-11-28T12:00:05Z refused  ann cmd.run on *: no rule",
        );
        check(
            br#"{"time":"2026-11-28T12:00:06Z","event":"finished","jid":"1","user":"root","fun":"a.b","target":"*","expected":3,"outcomes":{"failed":1,"ok":2},"took_ms":40}"#,
            "2026-11-28T12:00:06Z finished 1 root a.b on *: 3 expected, 1 failed, 2 ok in 40 ms",
        );
        check(br#"{"event":"lost","lines":7}"#, "(7 lines are lost here)");
        check(b"{\"torn\x1b", "{\\\"torn\\u{1b}");
        assert_eq!(filter().text(b"\n"), None);
    }

    #[test]
    fn only_what_is_wanted() {
        let wants = |filter: Filter| [ACCEPTED, REFUSED].map(|line| filter.text(line).is_some());
        let user = Some(Glob::new("an*"));
        assert_eq!(wants(Filter { user, ..filter() }), [false, true]);
        let function = Some(Glob::new("state.*"));
        assert_eq!(
            wants(Filter {
                function,
                ..filter()
            }),
            [true, false]
        );
        let since = "2026-11-28T12:00:03Z".parse().ok();
        assert_eq!(wants(Filter { since, ..filter() }), [false, true]);
        let raw = Filter {
            raw: true,
            ..filter()
        };
        assert_eq!(raw.text(REFUSED).unwrap().as_bytes(), REFUSED);
    }
}
