//! The table of situations.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::super::cli::table::{self, Line};
use super::PLAN;
use super::nodes::FIRST;
use super::right::{Exit, Right};

/// A command that is given while something is as it should be, or is not.
#[derive(Debug, Clone)]
pub struct Situation {
    /// What is going on.
    pub name: String,
    /// What is right, in words.
    pub truth: String,
    /// What has to be known of the answer of one side, beside the verdict.
    pub note: String,
    /// How many tops the tree has.
    pub tops: Tops,
    /// The node whose commands these are.
    pub at: String,
    /// Commands that come before; nobody judges them.
    pub before: Vec<Line>,
    /// The command waits until these have begun what came before.
    pub once_begun: BTreeSet<String>,
    /// What befalls a node.
    pub harm: Option<Harm>,
    /// A command that waits for what the other one brings about; its output is judged, too.
    pub listen: Option<Line>,
    /// The user who types; root otherwise.
    pub user: Option<String>,
    /// The command.
    pub command: Line,
    /// How long after it the minions' lines are read, when no condition tells.
    pub settle: Option<Duration>,
    /// What is right.
    pub right: Right,
}

/// How many tops a tree has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tops {
    One,
    /// They have all nodes in common.
    Two,
}

/// What befalls a node: a top, the hub of a site, or a minion. It is mended after the situation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Harm {
    pub kind: HarmKind,
    pub node: String,
    /// How long after the beginning of the command; before it otherwise.
    pub after: Option<Duration>,
}

/// Kinds of harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HarmKind {
    /// Its processes get SIGKILL.
    Kill,
    /// Its processes get SIGSTOP.
    Stop,
}

/// Reads the table: a list of maps.
pub fn read(text: &str) -> anyhow::Result<Vec<Situation>> {
    let rows = yaml::parse(text)?;
    let rows = rows.as_array().context("no list of situations")?;
    rows.iter()
        .map(|row| one(row).with_context(|| row.to_string()))
        .collect()
}

fn one(row: &Value) -> anyhow::Result<Situation> {
    let fields = row.as_object().context("no map")?;
    let command = fields.get("command").context("no command")?;
    let mut situation = Situation {
        name: String::new(),
        truth: String::new(),
        note: String::new(),
        tops: Tops::One,
        at: FIRST.to_owned(),
        before: Vec::new(),
        once_begun: BTreeSet::new(),
        harm: None,
        listen: None,
        user: None,
        command: table::line(words(command)?)?,
        settle: None,
        right: Right::default(),
    };
    let right = &mut situation.right;
    for (name, value) in fields {
        match name.as_str() {
            "command" => {}
            "name" => situation.name = words(value)?.to_owned(),
            "truth" => situation.truth = words(value)?.to_owned(),
            "note" => situation.note = words(value)?.to_owned(),
            "tops" => situation.tops = tops(value)?,
            "at" => situation.at = words(value)?.to_owned(),
            "before" => situation.before = lines(value)?,
            "once_begun" => situation.once_begun = ids(value)?,
            "harm" => situation.harm = Some(harm(words(value)?)?),
            "listen" => situation.listen = Some(table::line(words(value)?)?),
            "user" => situation.user = Some(words(value)?.to_owned()),
            "settle" => situation.settle = Some(Duration::from_secs(number(value)?.into())),
            "answered" => right.answered = Some(ids(value)?),
            "answers" => right.answers = Some(number(value)? as usize),
            "silent" => right.silent = ids(value)?,
            "exit" => right.exit = Some(exit(value)?),
            "prints" => right.prints = texts(value)?,
            "lacks" => right.lacks = texts(value)?,
            "data" => right.data = Some(value.clone()),
            "ran" => right.ran = Some(ids(value)?),
            "ended" => right.ended = Some(ids(value)?),
            "at_once" => right.at_once = Some(number(value)? as usize),
            other => bail!("{other} is no field of a situation"),
        }
    }
    ensure!(!situation.name.is_empty(), "it has no name");
    ensure!(!situation.truth.is_empty(), "nobody says what is right");
    ensure!(situation.right != Right::default(), "nothing is judged");
    Ok(situation)
}

fn words(value: &Value) -> anyhow::Result<&str> {
    value
        .as_str()
        .with_context(|| format!("{value} is no text"))
}

fn number(value: &Value) -> anyhow::Result<u32> {
    let number = value.as_u64().and_then(|number| number.try_into().ok());
    number.with_context(|| format!("{value} is no number"))
}

/// A text or a list of them.
fn texts(value: &Value) -> anyhow::Result<Vec<String>> {
    match value.as_array() {
        Some(all) => all.iter().map(|one| Ok(words(one)?.to_owned())).collect(),
        None => Ok(vec![words(value)?.to_owned()]),
    }
}

fn lines(value: &Value) -> anyhow::Result<Vec<Line>> {
    texts(value)?.iter().map(|text| table::line(text)).collect()
}

/// Ids of the plan, each named or by the beginning before a star.
fn ids(value: &Value) -> anyhow::Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for text in texts(value)? {
        let is_meant = |id: &str| match text.strip_suffix('*') {
            Some(beginning) => id.starts_with(beginning),
            None => id == text,
        };
        let known = ids.len();
        ids.extend(PLAN.minions().map(|it| it.id).filter(|id| is_meant(id)));
        ensure!(ids.len() > known, "{text} names no minion");
    }
    Ok(ids)
}

fn tops(value: &Value) -> anyhow::Result<Tops> {
    match value.as_u64() {
        Some(1) => Ok(Tops::One),
        Some(2) => Ok(Tops::Two),
        _ => bail!("{value} is no number of tops"),
    }
}

fn exit(value: &Value) -> anyhow::Result<Exit> {
    match (value.as_i64(), value.as_str()) {
        (Some(0), _) => Ok(Exit::Zero),
        (_, Some("not zero")) => Ok(Exit::NotZero),
        _ => bail!("{value} is neither 0 nor \"not zero\""),
    }
}

fn harm(text: &str) -> anyhow::Result<Harm> {
    let words: Vec<&str> = text.split(' ').collect();
    let (kind, node, after) = match words[..] {
        [kind, node] => (kind, node, None),
        [kind, node, "after", seconds] => (kind, node, Some(seconds)),
        _ => bail!("{text} is no harm"),
    };
    let kind = match kind {
        "kill" => HarmKind::Kill,
        "stop" => HarmKind::Stop,
        other => bail!("{other} is no kind of harm"),
    };
    let is_there = node == FIRST
        || PLAN.sites().any(|site| site == node)
        || PLAN.minions().any(|it| it.id == node);
    ensure!(is_there, "{node} is no node that comes to harm");
    let after = after.map(str::parse).transpose().context("seconds")?;
    Ok(Harm {
        kind,
        node: node.to_owned(),
        after: after.map(Duration::from_secs),
    })
}

impl Situation {
    /// Whether one of these texts is in its name or its command; without texts it is meant.
    pub fn has_any(&self, texts: &[String]) -> bool {
        self.command.has_any(texts) || texts.iter().any(|text| self.name.contains(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_situation() {
        let text = "- {name: n, truth: t, command: \"salt 'web-*' test.ping\", harm: kill s2 after 3, answered: web-1-*, silent: [web-2-1, web-2-2], exit: not zero}\n";
        let situations = read(text).unwrap();
        let situation = &situations[0];
        assert_eq!(situation.command.words, ["web-*", "test.ping"]);
        let harm = situation.harm.as_ref().unwrap();
        assert_eq!(harm.kind, HarmKind::Kill);
        assert_eq!(harm.after, Some(Duration::from_secs(3)));
        let right = &situation.right;
        let ids = |ids: [&str; 2]| BTreeSet::from(ids.map(String::from));
        assert_eq!(right.answered, Some(ids(["web-1-1", "web-1-2"])));
        assert_eq!(right.silent, ids(["web-2-1", "web-2-2"]));
        assert_eq!(right.exit, Some(Exit::NotZero));
        for (texts, expected) in [
            (&["kill"][..], false),
            (&["ping"], true),
            (&["n"], true),
            (&[], true),
        ] {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(situation.has_any(&texts), expected, "{texts:?}");
        }
    }

    #[test]
    fn what_makes_no_sense() {
        for bad in [
            "- {name: n, truth: t, command: salt x f}",
            "- {name: n, command: salt x f, exit: 0}",
            "- {name: n, truth: t, command: rm x, exit: 0}",
            "- {name: n, truth: t, command: salt x f, exit: 3}",
            "- {name: n, truth: t, command: salt x f, answered: nobody}",
            "- {name: n, truth: t, command: salt x f, exit: 0, harm: kill nobody}",
            "- {name: n, truth: t, command: salt x f, exit: 0, colour: red}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
