//! The table for a terminal, and the page of documentation.

use std::fmt::Write;

use serde_json::{Value, json};

use super::run::Account;
use super::situation::Situation;

/// What stands above the rows.
const HEAD: &str = include_str!("page.md");

/// A situation with what both sides came to.
pub struct Row<'a> {
    pub situation: &'a Situation,
    pub salt: Option<&'a Account>,
    pub ours: &'a Account,
}

impl Row<'_> {
    /// For a file.
    pub fn json(&self) -> Value {
        json!({
            "situation": self.situation.name,
            "command": self.situation.command.text,
            "right": self.situation.truth,
            "salt": self.salt.map(Account::json),
            "ours": self.ours.json(),
        })
    }
}

/// Each row.
pub fn table(rows: &[Row<'_>]) -> String {
    let mut text = String::from(
        "| situation | command | what is right | Salt | Banyan |\n| --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        let Situation {
            name,
            truth,
            command,
            ..
        } = row.situation;
        let salt = row.salt.map_or_else(|| "-".to_owned(), told);
        let ours = told(row.ours);
        let command = command.text.replace('|', "\\|");
        // Writing to a String does not fail.
        let _ = writeln!(text, "| {name} | `{command}` | {truth} | {salt} | {ours} |");
    }
    text
}

/// The page of documentation.
pub fn page(version: &str, rows: &[Row<'_>]) -> String {
    let mut text = HEAD
        .replace("{version}", version)
        .replace("{score}", &score(rows));
    text.push_str(&table(rows));
    let notes = rows.iter().filter(|row| !row.situation.note.is_empty());
    let notes: Vec<String> = notes
        .map(|row| format!("- *{}*: {}\n", row.situation.name, row.situation.note))
        .collect();
    if !notes.is_empty() {
        text.push_str("\n## Notes\n\n");
        text.extend(notes);
    }
    text
}

/// How many are right.
pub fn score(rows: &[Row<'_>]) -> String {
    let is_right = |account: &&Account| account.faults.is_empty();
    let ours = rows.iter().map(|row| row.ours).filter(is_right).count();
    let salts: Vec<_> = rows.iter().filter_map(|row| row.salt).collect();
    let total = rows.len();
    if salts.is_empty() {
        return format!("Banyan is right in {ours} of {total} situations.");
    }
    let salt = salts.into_iter().filter(is_right).count();
    format!("Salt is right in {salt} of {total} situations, Banyan in {ours}.")
}

/// An account in a cell.
fn told(account: &Account) -> String {
    let exit = match account.exit {
        Some(code) => format!("exit {code}"),
        None => "no end".to_owned(),
    };
    let verdict = if account.faults.is_empty() {
        "right".to_owned()
    } else {
        account.faults.join("; ").replace('|', "\\|")
    };
    format!("{exit}, {:.1} s: {verdict}", account.wall.as_secs_f64())
}
