//! `salt-key`: shows keys, and decides about them.

use std::io::BufRead;

use clap::{ArgGroup, Parser};
use daemon::exit;
use output::{Form, ValueRendering};
use serde_json::{Map, Value, json};
use wire::control::{Ask, KeyRow, Tell};
use wire::{KeyDecision, Standing};

use super::Old;
use super::options::{Common, refuse};
use crate::Session;
use crate::follow::ask_within;
use crate::keys::{ANSWER_BYTES_MAX, Globs, all};
use crate::trouble::Trouble;

/// Standings with Salt's words for them, in the order of Salt's output.
const STANDINGS: [(Standing, &str); 4] = [
    (Standing::Accepted, "accepted"),
    (Standing::Denied, "denied"),
    (Standing::Pending, "unaccepted"),
    (Standing::Rejected, "rejected"),
];

/// Show keys, and decide about them, as Salt's command does
#[derive(Debug, Parser)]
#[command(
    group = ArgGroup::new("action").args([
        "list", "list_all", "accept", "accept_all", "reject", "reject_all", "delete", "delete_all", "finger", "finger_all",
    ]),
    after_help = "docs/commands.md says option by option what is as in Salt. `top-master keys --help` has more."
)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Keys of a standing: accepted, unaccepted, rejected, denied, all, or the beginning of one
    #[arg(short = 'l', long, value_name = "STANDING")]
    list: Option<String>,
    /// All keys
    #[arg(short = 'L', long)]
    list_all: bool,
    /// Accept keys whose ids match this glob
    #[arg(short = 'a', long, value_name = "GLOB")]
    accept: Option<String>,
    /// Accept all keys that wait
    #[arg(short = 'A', long)]
    accept_all: bool,
    /// Reject keys whose ids match this glob
    #[arg(short = 'r', long, value_name = "GLOB")]
    reject: Option<String>,
    /// Reject all keys that wait
    #[arg(short = 'R', long)]
    reject_all: bool,
    /// Accept or reject keys of other standings as well
    #[arg(long)]
    include_all: bool,
    /// Reject also keys that are accepted
    #[arg(long)]
    include_accepted: bool,
    /// Accept also keys that were rejected
    #[arg(long)]
    include_rejected: bool,
    /// Accept or reject also keys that were denied
    #[arg(long)]
    include_denied: bool,
    /// Delete keys whose ids match this glob
    #[arg(short = 'd', long, value_name = "GLOB")]
    delete: Option<String>,
    /// Delete all keys
    #[arg(short = 'D', long)]
    delete_all: bool,
    /// Fingerprints of keys whose ids match this glob
    #[arg(short = 'f', long, value_name = "GLOB")]
    finger: Option<String>,
    /// Fingerprints of all keys
    #[arg(short = 'F', long)]
    finger_all: bool,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
    /// Taken, and without effect: there is no log that it would hush
    #[arg(short = 'q', long)]
    quiet: bool,

    #[arg(short = 'p', long, value_name = "GLOB", hide = true)]
    print: Option<String>,
    #[arg(short = 'P', long, hide = true)]
    print_all: bool,
    #[arg(long, value_name = "TRUTH", num_args = 0..=1, hide = true)]
    rotate_aes_key: Option<Option<String>>,
    #[arg(long, value_name = "TRUTH", num_args = 0..=1, hide = true)]
    preserve_minions: Option<Option<String>>,
    #[arg(long, value_name = "NAME", hide = true)]
    gen_keys: Option<String>,
    #[arg(long, value_name = "DIR", hide = true)]
    gen_keys_dir: Option<String>,
    #[arg(long, value_name = "BITS", hide = true)]
    keysize: Option<u32>,
    #[arg(long, hide = true)]
    gen_signature: bool,
    #[arg(long, value_name = "FILE", hide = true)]
    priv_key: Option<String>,
    #[arg(long, value_name = "DIR", hide = true)]
    signature_path: Option<String>,
    #[arg(long = "pub", value_name = "FILE", hide = true)]
    public: Option<String>,
    #[arg(long, hide = true)]
    auto_create: bool,
    #[arg(short = 'u', long, value_name = "USER", hide = true)]
    user: Option<String>,
}

impl Old for Arguments {
    fn common(&self) -> &Common {
        &self.common
    }

    fn carry_out(self, session: &mut Session<'_, '_>) -> Result<u8, Trouble> {
        self.refused()?;
        let glob =
            |glob: &Option<String>, all: bool| glob.clone().or_else(|| all.then(|| "*".to_owned()));
        if let Some(glob) = glob(&self.accept, self.accept_all) {
            return self.decide(session, KeyDecision::Accept, &glob);
        }
        if let Some(glob) = glob(&self.reject, self.reject_all) {
            return self.decide(session, KeyDecision::Reject, &glob);
        }
        if let Some(glob) = glob(&self.delete, self.delete_all) {
            return self.decide(session, KeyDecision::Delete, &glob);
        }
        let rows = all(session)?;
        if let Some(glob) = glob(&self.finger, self.finger_all) {
            let globs = Globs::parse(&[glob])?;
            let found: Vec<&KeyRow> = rows.iter().filter(|row| globs.matches(row)).collect();
            let value = by_standing(&found, &[], true);
            return self.print(session, &value);
        }
        let listed = match self.list.as_deref() {
            None => STANDINGS.to_vec(),
            Some(word) => named(word)?,
        };
        let rows: Vec<&KeyRow> = rows.iter().collect();
        let standings: Vec<Standing> = listed.iter().map(|(standing, _)| *standing).collect();
        let value = by_standing(&rows, &standings, false);
        self.print(session, &value)
    }
}

impl Arguments {
    fn refused(&self) -> Result<(), Trouble> {
        let keys = "keys are made by the node itself (docs/security.md); -f shows fingerprints, `top-master token create` makes tokens with which nodes join";
        refuse(&[
            (
                self.print.is_some() || self.print_all,
                "--print",
                "a hub keeps the fingerprints of keys: -f, -F",
            ),
            (
                self.rotate_aes_key.is_some(),
                "--rotate-aes-key",
                "there is no key that minions share",
            ),
            (
                self.preserve_minions.is_some(),
                "--preserve-minions",
                "a hub keeps no cache of a deleted node",
            ),
            (
                self.gen_keys.is_some() || self.gen_keys_dir.is_some() || self.keysize.is_some(),
                "--gen-keys",
                keys,
            ),
            (
                self.gen_signature
                    || self.priv_key.is_some()
                    || self.signature_path.is_some()
                    || self.public.is_some()
                    || self.auto_create,
                "--gen-signature",
                "every order is signed; nodes pin the tree's fingerprint as `master_finger`",
            ),
            (
                self.user.is_some(),
                "--user",
                "run the command as that user",
            ),
        ])
    }

    /// Shows whom it is about, asks, and does it.
    fn decide(
        &self,
        session: &mut Session<'_, '_>,
        decision: KeyDecision,
        glob: &str,
    ) -> Result<u8, Trouble> {
        let standings = self.standings(decision);
        let globs = Globs::parse(&[glob.to_owned()])?;
        let mut rows = all(session)?;
        rows.retain(|row| globs.matches(row) && standings.contains(&row.standing));
        let (verb, question, by_default) = match decision {
            KeyDecision::Delete => ("deleted", "Proceed? [N/y] ", false),
            KeyDecision::Reject => ("rejected", "Proceed? [n/Y] ", true),
            KeyDecision::Accept | KeyDecision::Deny => ("accepted", "Proceed? [n/Y] ", true),
        };
        if rows.is_empty() {
            // As Salt, which names no other standings for a deletion.
            let words = match decision {
                KeyDecision::Delete => "unaccepted".to_owned(),
                _ => in_words(&standings),
            };
            session.print(&format!(
                "The key glob '{glob}' does not match any {words} keys.\n"
            ))?;
            return Ok(exit::OK);
        }
        let found: Vec<&KeyRow> = rows.iter().collect();
        session.print(&format!("The following keys are going to be {verb}:\n"))?;
        self.print(session, &by_standing(&found, &[], false))?;
        if !self.yes {
            session.print(question)?;
            if !agreed(session, by_default) {
                return Ok(exit::OK);
            }
        }
        // In the order in which Salt tells what it did.
        let rank = |row: &KeyRow| match row.standing {
            Standing::Pending => 0,
            Standing::Rejected => 1,
            Standing::Accepted => 2,
            Standing::Denied => 3,
        };
        rows.sort_by(|a, b| (rank(a), &a.id).cmp(&(rank(b), &b.id)));
        // What was shown, although a new key may match by now.
        let ask = Ask::Decide {
            ids: rows.iter().map(|row| row.id.clone()).collect(),
            standings,
            decision,
            user: super::user(session),
        };
        match ask_within(&session.connect, ask, None)? {
            Tell::Keys(mut decided) => {
                decided.sort_by_key(|done| rows.iter().position(|row| row.id == done.id));
                for row in &decided {
                    let line = format!("Key for minion {} {verb}.\n", output::escape(&row.id));
                    session.print(&line)?;
                }
                Ok(exit::OK)
            }
            Tell::Failed(failure) => Err(Trouble::Told(failure)),
            _ => Err(Trouble::Unexpected),
        }
    }

    /// Keys in these standings are meant.
    fn standings(&self, decision: KeyDecision) -> Vec<Standing> {
        let accepts = decision == KeyDecision::Accept;
        let includes = match decision {
            KeyDecision::Delete => return STANDINGS.map(|(standing, _)| standing).to_vec(),
            _ => [
                (
                    Standing::Accepted,
                    !accepts && (self.include_accepted || self.include_all),
                ),
                (
                    Standing::Rejected,
                    accepts && (self.include_rejected || self.include_all),
                ),
                (Standing::Denied, self.include_denied),
            ],
        };
        let included = includes.into_iter().filter(|(_, is_set)| *is_set);
        std::iter::once(Standing::Pending)
            .chain(included.map(|(standing, _)| standing))
            .collect()
    }

    fn print(&self, session: &mut Session<'_, '_>, value: &Value) -> Result<u8, Trouble> {
        let out = &self.common.out;
        let rendering = ValueRendering {
            form: out.out.unwrap_or(Form::Key),
            style: session.style,
            yaml: yaml::emit,
            indent: out.destination.out_indent,
        };
        session.print(&output::value(value, &rendering))?;
        Ok(exit::OK)
    }
}

/// Keys as Salt names their standings: those named have a list, also an empty one.
fn by_standing(rows: &[&KeyRow], named: &[Standing], with_fingerprints: bool) -> Value {
    let mut map = Map::new();
    for (standing, _) in STANDINGS {
        let mut keys: Vec<&KeyRow> = rows
            .iter()
            .copied()
            .filter(|row| row.standing == standing)
            .collect();
        if keys.is_empty() && !named.contains(&standing) {
            continue;
        }
        if !named.is_empty() && !named.contains(&standing) {
            continue;
        }
        keys.sort_by(|a, b| a.id.cmp(&b.id));
        let value = if with_fingerprints {
            let pairs = keys
                .iter()
                .map(|row| (row.id.clone(), json!(row.fingerprint)));
            Value::Object(pairs.collect())
        } else {
            keys.iter().map(|row| json!(row.id)).collect()
        };
        map.insert(standing.in_salt().to_owned(), value);
    }
    Value::Object(map)
}

/// The standings that a word begins.
fn named(word: &str) -> Result<Vec<(Standing, &'static str)>, Trouble> {
    let begins = |beginnings: &[&str]| beginnings.iter().any(|b| word.starts_with(b));
    let standing = if begins(&["acc"]) {
        Standing::Accepted
    } else if begins(&["pre", "un"]) {
        Standing::Pending
    } else if begins(&["rej"]) {
        Standing::Rejected
    } else if begins(&["den"]) {
        Standing::Denied
    } else if begins(&["all"]) {
        return Ok(STANDINGS.to_vec());
    } else {
        return Err(Trouble::Usage(format!(
            "'{word}' is not a valid argument to '--list'; there are acc, pre, un, rej, den, all"
        )));
    };
    Ok(STANDINGS
        .into_iter()
        .filter(|(s, ..)| *s == standing)
        .collect())
}

/// `unaccepted, accepted or denied`.
fn in_words(standings: &[Standing]) -> String {
    let word = |standing: &Standing| {
        let found = STANDINGS.iter().find(|(s, ..)| s == standing);
        found.map_or("", |(_, word)| *word)
    };
    let words: Vec<&str> = standings.iter().map(word).collect();
    match &words[..] {
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
        [] => String::new(),
    }
}

/// Enter alone means what is usual; the end of the input means no.
fn agreed(session: &mut Session<'_, '_>, by_default: bool) -> bool {
    let mut line = String::new();
    let mut input = std::io::Read::take(&mut *session.seat.input, ANSWER_BYTES_MAX);
    match input.read_line(&mut line) {
        Ok(1..) if line.trim().is_empty() => by_default,
        Ok(1..) => line.trim().to_ascii_lowercase().starts_with('y'),
        Ok(0) | Err(_) => false,
    }
}
