//! Asks the sites how an order would fare that nobody gives: by which minions it would be let, and by which rule it would not.

use std::collections::{BTreeMap, HashMap};

use relay::Hub;
use wire::choice::Fate;
use wire::control::{Failure, RunAsk};
use wire::{Finding, IndexSet, Stance};

use crate::caller::Caller;
use crate::service::Service;
use crate::submit::Aim;

/// Ids that a line names.
const NAMED_MAX: usize = 20;

/// How an order would fare, by minion.
pub(crate) struct Fates(HashMap<u32, Fate>);

impl Fates {
    /// Of what was found out, and of whom the aim means and nobody answered for.
    fn new(findings: Vec<Finding>, meant: &IndexSet) -> Fates {
        let mut fates = HashMap::new();
        for finding in findings {
            for index in finding.who.iter() {
                let fate = Fate {
                    stance: finding.stance,
                    reason: finding.reason.clone(),
                };
                fates.insert(index, fate);
            }
        }
        for index in meant.iter() {
            fates.entry(index).or_insert_with(|| Fate {
                stance: Stance::NotAsked,
                reason: "no hub answered for it".to_owned(),
            });
        }
        Fates(fates)
    }

    /// Of one minion, by this hub's number.
    pub(crate) fn of(&self, index: u32) -> Option<&Fate> {
        self.0.get(&index)
    }

    /// How many minions have this stance.
    pub(crate) fn count(&self, stance: Stance) -> usize {
        self.0.values().filter(|fate| fate.stance == stance).count()
    }

    /// A line for each stance and reason, with some of the ids.
    pub(crate) fn lines(&self, names: &HashMap<u32, String>) -> Vec<String> {
        let mut groups: BTreeMap<(Stance, &str), Vec<&str>> = BTreeMap::new();
        for (index, fate) in &self.0 {
            if fate.stance != Stance::NotMeant
                && let Some(name) = names.get(index)
            {
                let key = (fate.stance, fate.reason.as_str());
                groups.entry(key).or_default().push(name);
            }
        }
        let line = |((stance, reason), mut ids): ((Stance, &str), Vec<&str>)| {
            let count = ids.len();
            ids.sort_unstable();
            ids.truncate(NAMED_MAX);
            let more = match count - ids.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let words = match stance {
                Stance::Let => "may run",
                Stance::Refused => "refused",
                Stance::Undecided => "undecided",
                Stance::NotAsked => "not asked",
                Stance::NotMeant => "not meant",
            };
            let ids = format!("{}{more}", ids.join(", "));
            match reason {
                "" => format!("{words}: {count}: {ids}"),
                reason => format!("{words}: {count}, {reason}: {ids}"),
            }
        };
        groups.into_iter().map(line).collect()
    }
}

impl Service {
    /// Asks all hubs that an order would go to. Nothing runs.
    ///
    /// # Errors
    /// Inside: what this hub may not order, it may not ask about either.
    pub(crate) async fn inquire(
        &self,
        caller: &Caller,
        ask: &RunAsk,
        aim: &Aim,
        roots: Option<String>,
    ) -> anyhow::Result<Result<Fates, Failure>> {
        let now = self.engine.clock().now();
        let signed = self.jobs.inquiry(ask, &aim.target, roots, now);
        let (envelope, order) = match signed {
            Ok(signed) => signed,
            Err(failure) => return Ok(Err(failure)),
        };
        let warrant = match self.warrant(caller, order.jid, None) {
            Ok(warrant) => warrant,
            Err(failure) => return Ok(Err(failure)),
        };
        let findings = self.engine.inquire(envelope, order, warrant).await?;
        let aim = aim.clone();
        let meant = move |hub: &Hub| aim.meant(hub).map(|(node, _)| node.index()).collect();
        let meant: IndexSet = self.engine.query(meant).await?;
        Ok(Ok(Fates::new(findings, &meant)))
    }

    /// Ids of the minions that these are about.
    pub(crate) async fn names_of(&self, fates: &Fates) -> anyhow::Result<HashMap<u32, String>> {
        let indices: Vec<u32> = fates.0.keys().copied().collect();
        let names = move |hub: &Hub| -> HashMap<u32, String> {
            let nodes = indices.into_iter().filter_map(|index| hub.node(index));
            nodes
                .map(|node| (node.index(), node.id().to_string()))
                .collect()
        };
        Ok(self.engine.query(names).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use wire::{Finding, IndexSet, Stance};

    use super::Fates;

    #[test]
    fn equal_fates_are_one_line_and_nobody_is_left_out() {
        let finding = |stance, reason: &str, who: &[u32]| Finding {
            stance,
            reason: reason.to_owned(),
            who: who.iter().copied().collect(),
        };
        let findings = vec![
            finding(Stance::Let, "", &[1, 2]),
            finding(Stance::Refused, "a rule", &[3]),
            finding(Stance::NotMeant, "", &[5]),
        ];
        let meant: IndexSet = [1, 2, 3, 4, 5].into_iter().collect();
        let fates = Fates::new(findings, &meant);
        let names: HashMap<u32, String> = (1..6).map(|n| (n, format!("m{n}"))).collect();
        assert_eq!(
            fates.lines(&names),
            [
                "may run: 2: m1, m2",
                "refused: 1, a rule: m3",
                "not asked: 1, no hub answered for it: m4"
            ]
        );
        assert_eq!(fates.count(Stance::Refused), 1);
        let many: IndexSet = (0..25).collect();
        let names: HashMap<u32, String> = (0..25).map(|n| (n, format!("m{n:02}"))).collect();
        let line = Fates::new(Vec::new(), &many).lines(&names).remove(0);
        assert!(line.ends_with("m18, m19 and 5 more"), "{line}");
    }
}
