//! A job's account, as `--out ledger` prints it.

use std::collections::BTreeMap;

use serde_json::Value;

/// Every outcome that a minion may have.
const OUTCOMES: [&str; 8] = [
    "ok",
    "failed",
    "running",
    "queued",
    "unreachable",
    "lost",
    "refused",
    "expired",
];

/// The account of one job, whose counts agree with its minions (P1).
#[derive(Debug, Clone)]
pub struct Ledger(Value);

impl Ledger {
    /// Reads an account.
    ///
    /// # Panics
    /// When it is none, or when a count differs from the number of minions with that outcome.
    #[track_caller]
    pub fn parse(text: &str) -> Ledger {
        let value: Value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let ledger = Ledger(value);
        let minions = ledger.outcomes();
        assert_eq!(ledger.count("expected"), minions.len(), "{ledger:#?}");
        for outcome in OUTCOMES {
            let of_this = minions.values().filter(|one| **one == outcome).count();
            assert_eq!(ledger.count(outcome), of_this, "{outcome}: {ledger:#?}");
        }
        assert!(
            minions.values().all(|one| OUTCOMES.contains(one)),
            "{ledger:#?}"
        );
        let by_site: u64 = ledger.0["sites"]
            .as_array()
            .expect("sites")
            .iter()
            .filter_map(|site| site["counts"]["expected"].as_u64())
            .sum();
        assert_eq!(by_site, minions.len() as u64, "{ledger:#?}");
        ledger
    }

    /// Any of its fields.
    pub fn field(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// The job's id.
    pub fn jid(&self) -> &str {
        self.0["jid"].as_str().expect("a jid")
    }

    /// Whether the last outcome is known.
    pub fn is_finished(&self) -> bool {
        !self.0["finished"].is_null()
    }

    /// What a command that prints this account ends with.
    pub fn exit_code(&self) -> i32 {
        let any = |outcomes: &[&str]| outcomes.iter().any(|one| self.count(one) > 0);
        let is_named = self.0["complete"] == true
            && self.0["undecided"]
                .as_object()
                .is_some_and(serde_json::Map::is_empty);
        if any(&["failed"]) {
            1
        } else if self.count("expected") == 0 && is_named {
            2
        } else if any(&["unreachable", "lost", "expired", "running", "queued"]) || !is_named {
            3
        } else if any(&["refused"]) {
            4
        } else {
            0
        }
    }

    /// One of its counts.
    pub fn count(&self, name: &str) -> usize {
        let count = self.0["counts"][name].as_u64();
        usize::try_from(count.expect("a count")).expect("a small count")
    }

    /// Everything about a minion.
    ///
    /// # Panics
    /// When it is not expected.
    #[track_caller]
    pub fn minion(&self, id: &str) -> &Value {
        let minion = &self.0["minions"][id];
        assert!(minion.is_object(), "{id} is not in {self:#?}");
        minion
    }

    /// What a minion returned.
    #[track_caller]
    pub fn returned(&self, id: &str) -> &Value {
        &self.minion(id)["return"]
    }

    /// How a minion stands.
    #[track_caller]
    pub fn outcome(&self, id: &str) -> &str {
        self.minion(id)["outcome"].as_str().expect("an outcome")
    }

    /// Every expected minion with its outcome.
    pub fn outcomes(&self) -> BTreeMap<&str, &str> {
        let minions = self.0["minions"].as_object().expect("minions");
        minions
            .iter()
            .map(|(id, minion)| (id.as_str(), minion["outcome"].as_str().expect("an outcome")))
            .collect()
    }

    /// The minions with an outcome, in order of id.
    pub fn ids(&self, outcome: &str) -> Vec<&str> {
        let all = self.outcomes();
        all.into_iter()
            .filter_map(|(id, of_this)| (of_this == outcome).then_some(id))
            .collect()
    }

    /// Checks that exactly these minions were expected, and all are ok.
    ///
    /// # Panics
    /// When it is not so.
    #[track_caller]
    pub fn all_ok(&self, ids: &[&str]) {
        assert_eq!(self.ids("ok"), ids, "{self:#?}");
        assert_eq!(self.count("expected"), ids.len(), "{self:#?}");
    }
}
