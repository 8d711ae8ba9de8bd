//! Which of the minions that a target matches are meant, and the preview of a job.

use std::collections::{BTreeMap, BTreeSet};

use relay::Hub;
use targeting::{Target, Verdict};
use wire::choice::{Choice, LeftIn, Preview, PreviewCounts, PreviewRow, PreviewSite};
use wire::control::{Failure, FailureKind, Left, RunAsk, Tell};
use wire::{Presence, UnixMillis, limits};

use crate::caller::Caller;
use crate::control::Teller;
use crate::service::Service;
use crate::submit::{Aim, refused};

impl Service {
    /// The state of the roots at which a job is to run.
    pub(crate) fn roots_of(&self, ask: &RunAsk) -> Result<Option<String>, Failure> {
        match &ask.roots {
            None => Ok(self.roots.served()),
            Some(wanted) => match self.roots.resolve(wanted) {
                Ok(state) => Ok(Some(state)),
                Err(text) => Err(Failure::new(FailureKind::Usage, text)),
            },
        }
    }

    /// Whom a job is for: its target, without the minions that are not meant.
    ///
    /// What a pillar says is for the hub's own user to know: for anyone else it decides nothing before the job is let out.
    pub(crate) async fn aim(
        &self,
        caller: &Caller,
        ask: &RunAsk,
        roots: Option<&str>,
    ) -> anyhow::Result<Result<Aim, Failure>> {
        let mut aim = match self.jobs.aim(ask, self.engine.clock().now()) {
            Ok(aim) => aim,
            failed => return Ok(failed),
        };
        if caller.is_owner {
            aim.decided = self.decided(&aim.target, &aim.scope, roots).await?;
        } else if aim.target.searches_pillar() {
            let text = format!(
                "{} may name a value of the pillar in a target (I@key:value), and not search for one: no glob, and no regular expression",
                caller.user
            );
            return Ok(Err(refused(text)));
        }
        if !ask.choice.narrows() {
            return Ok(Ok(aim));
        }
        let left = match &ask.choice.left_in {
            None => None,
            Some(left) => match self.left_ids(left).await? {
                Ok(ids) => Some(ids),
                Err(failure) => return Ok(Err(failure)),
            },
        };
        let meant = aim.clone();
        let presences = ask.choice.presences.clone();
        let found = self
            .engine
            .query(move |hub| Found::new(hub, &meant, &presences, left.as_ref()))
            .await?;
        Ok(narrowed(aim.target, found, &ask.choice).map(|target| Aim { target, ..aim }))
    }

    /// Ids of the minions that a job left in some states.
    async fn left_ids(&self, left: &LeftIn) -> anyhow::Result<Result<BTreeSet<String>, Failure>> {
        let Some(ledger) = self.ledger(left.jid).await? else {
            let text = format!("there is no job {}", left.jid);
            return Ok(Err(Failure::new(FailureKind::NotFound, text)));
        };
        let rows = ledger
            .minions
            .into_iter()
            .filter(|row| Left::of(row.kind).is_some_and(|state| left.states.contains(&state)));
        Ok(Ok(rows.map(|row| row.id).collect()))
    }

    /// Tells whom a job would be for.
    pub(crate) async fn preview(&self, ask: &RunAsk, teller: &mut Teller) -> anyhow::Result<()> {
        let caller = teller.caller().clone();
        let aim = match self.roots_of(ask) {
            Ok(roots) => self.aim(&caller, ask, roots.as_deref()).await?,
            Err(failure) => Err(failure),
        };
        let aim = match aim {
            Ok(aim) => aim,
            Err(failure) => return teller.tell(&Tell::Failed(failure)).await,
        };
        let meant = aim.clone();
        let rows = move |hub: &Hub| preview_rows(hub, &meant);
        let as_of = self.engine.clock().now();
        let mut rows = self.engine.query(rows).await?;
        if !ask.fun.is_empty() {
            let roots = self.roots_of(ask).ok().flatten();
            let fates = match self.inquire(&caller, ask, &aim, roots).await? {
                Ok(fates) => fates,
                Err(failure) => return teller.tell(&Tell::Failed(failure)).await,
            };
            for (index, row) in &mut rows {
                row.fate = fates.of(*index).cloned();
            }
        }
        let mut minions: Vec<PreviewRow> = rows.into_iter().map(|(_, row)| row).collect();
        minions.sort_by(|a, b| (&a.path, &a.id).cmp(&(&b.path, &b.id)));
        let sites = self.preview_sites(&minions).await?;
        let mut counts = PreviewCounts::default();
        minions.iter().for_each(|row| counts.add(row));
        let found: BTreeSet<&str> = minions.iter().map(|row| row.id.as_str()).collect();
        let mut unknown = aim.target.literal_ids().unwrap_or_default();
        unknown.retain(|id| !found.contains(id.as_str()));
        let mut preview = Preview {
            target: crate::submit::typed(ask),
            fun: ask.fun.clone(),
            as_of,
            counts,
            confirm_above: self.confirm_above,
            sites,
            minions,
            unknown: unknown.into_iter().collect(),
        };
        for rows in preview.split_off_parts() {
            teller.tell(&Tell::PreviewPart(rows)).await?;
        }
        teller.tell(&Tell::Preview(Box::new(preview))).await
    }

    /// Counts by site; of those that are out of reach, since when.
    async fn preview_sites(&self, minions: &[PreviewRow]) -> anyhow::Result<Vec<PreviewSite>> {
        let mut sites: BTreeMap<String, PreviewCounts> = BTreeMap::new();
        let mut cut = BTreeSet::new();
        for row in minions {
            sites.entry(row.path.clone()).or_default().add(row);
            if row.presence == Presence::CutOff {
                cut.insert(row.path.clone());
            }
        }
        let since = move |hub: &Hub| -> BTreeMap<String, Option<UnixMillis>> {
            cut.into_iter()
                .map(|path| {
                    let since = hub.cut_since(&path);
                    (path, since)
                })
                .collect()
        };
        let mut cut = self.engine.query(since).await?;
        let sites = sites.into_iter().map(|(path, counts)| PreviewSite {
            cut_since: cut.remove(&path).flatten(),
            path,
            counts,
        });
        Ok(sites.collect())
    }
}

/// The minions that a target matches, parted by what was asked for.
struct Found {
    /// Those that are meant.
    meant: Vec<String>,
    /// Those that would be if the target matches, which can't be decided here.
    undecided: Vec<String>,
    /// The others.
    others: Vec<String>,
}

impl Found {
    fn new(hub: &Hub, aim: &Aim, presences: &[Presence], left: Option<&BTreeSet<String>>) -> Found {
        let mut found = Found {
            meant: Vec::new(),
            undecided: Vec::new(),
            others: Vec::new(),
        };
        for (node, verdict) in aim.meant(hub) {
            let id = node.id().to_string();
            let is_so = presences.is_empty() || presences.contains(&node.link().presence);
            let was_left = left.is_none_or(|left| left.contains(&id));
            let group = match (is_so && was_left, verdict) {
                (false, _) => &mut found.others,
                (true, Verdict::Unknown) => &mut found.undecided,
                (true, _) => &mut found.meant,
            };
            group.push(id);
        }
        found
    }
}

/// The target for those alone that are meant. It travels, so of two texts that say the same the shorter one is taken: those
/// that are meant, or those that are not. A random choice is always named by its ids.
fn narrowed(target: Target, mut found: Found, choice: &Choice) -> Result<Target, Failure> {
    if let Some(number) = choice.subset {
        if number == 0 {
            let text = "a subset of 0 minions is nobody".to_owned();
            return Err(Failure::new(FailureKind::Usage, text));
        }
        if found.meant.is_empty() && !found.undecided.is_empty() {
            let count = found.undecided.len();
            let text = format!(
                "the target can't be decided here for the {count} minions that it may match"
            );
            return Err(Failure::new(FailureKind::NotFound, text));
        }
        found.undecided.clear();
        choose(&mut found.meant, number as usize)?;
    }
    if found.meant.is_empty() && found.undecided.is_empty() {
        let text = match found.others.len() {
            0 => "the target matches no minion".to_owned(),
            others => format!(
                "the target matches {others} minions, and none of them is {}",
                in_words(choice)
            ),
        };
        return Err(Failure::new(FailureKind::NotFound, text));
    }
    let length = |ids: &[String]| ids.iter().map(|id| id.len() + 1).sum::<usize>();
    let names_others = choice.subset.is_none()
        && length(&found.others) < length(&found.meant) + length(&found.undecided);
    let count = found.meant.len() + found.undecided.len();
    let target = if names_others {
        target.without(found.others)
    } else {
        found.meant.append(&mut found.undecided);
        target.among(found.meant)
    };
    if target.to_compound().len() > limits::MAX_TARGET {
        let text = format!(
            "the target with the ids of {count} minions is longer than {} bytes: ask for fewer at a time, as with --site",
            limits::MAX_TARGET
        );
        return Err(Failure::new(FailureKind::Usage, text));
    }
    Ok(target)
}

/// Keeps so many at random, in their order.
fn choose(ids: &mut Vec<String>, number: usize) -> Result<(), Failure> {
    let number = number.min(ids.len());
    let mut dice = vec![0; number * 8];
    getrandom::fill(&mut dice).map_err(|error| {
        Failure::new(FailureKind::Internal, format!("no random numbers: {error}"))
    })?;
    for (nth, die) in dice.chunks_exact(8).enumerate() {
        let die = die.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let rest = (ids.len() - nth) as u64;
        ids.swap(nth, nth + (die % rest) as usize);
    }
    ids.truncate(number);
    ids.sort_unstable();
    Ok(())
}

/// What is asked of each minion beyond the target, as people read it back.
pub(crate) fn in_words(choice: &Choice) -> String {
    let mut words = Vec::new();
    if !choice.presences.is_empty() {
        let states = choice.presences.iter().map(|presence| match presence {
            Presence::Up => "up",
            Presence::Down => "down",
            Presence::CutOff => "cut-off",
        });
        words.push(states.collect::<Vec<_>>().join(" or "));
    }
    if let Some(LeftIn { jid, states }) = &choice.left_in {
        let states: Vec<_> = states.iter().map(|state| state.as_str()).collect();
        words.push(format!("left {} by {jid}", states.join(" or ")));
    }
    words.join(", ")
}

/// In order of number, each with it: whoever asks sorts them, so that the machine is not held up.
fn preview_rows(hub: &Hub, aim: &Aim) -> Vec<(u32, PreviewRow)> {
    aim.meant(hub)
        .map(|(node, verdict)| {
            let row = PreviewRow {
                id: node.id().to_string(),
                path: node.path().to_string(),
                presence: node.link().presence,
                since: node.link().since,
                undecided: verdict == Verdict::Unknown,
                fate: None,
            };
            (node.index(), row)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use targeting::{Kind, Nodegroups, Target};
    use wire::Presence;
    use wire::choice::Choice;
    use wire::control::FailureKind;

    use super::{Found, choose, narrowed};

    fn ids(numbers: std::ops::Range<u32>) -> Vec<String> {
        numbers.map(|number| format!("m{number}")).collect()
    }

    fn every() -> Target {
        let target = Target::parse(Kind::Glob, "*", &Nodegroups::default(), ':');
        target.expect("a target")
    }

    #[test]
    fn chance_chooses_so_many_and_each_of_them() {
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let mut chosen = ids(0..10);
            assert_eq!(choose(&mut chosen, 3), Ok(()));
            assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), 3);
            seen.extend(chosen);
        }
        assert_eq!(seen, ids(0..10).into_iter().collect());
        let mut all = ids(0..2);
        assert_eq!(choose(&mut all, 9), Ok(()));
        assert_eq!(all, ids(0..2));
    }

    #[test]
    fn the_shorter_text_travels() {
        let up = Choice {
            presences: vec![Presence::Up],
            ..Choice::default()
        };
        let text = |meant, undecided, others, choice: &Choice| {
            let found = Found {
                meant,
                undecided,
                others,
            };
            narrowed(every(), found, choice).map(|target| target.to_compound())
        };
        assert_eq!(
            text(ids(0..2), ids(7..8), ids(2..6), &up),
            Ok("* and L@m0,m1,m7".to_owned())
        );
        assert_eq!(
            text(ids(0..9), vec![], ids(9..11), &up),
            Ok("* and not L@m10,m9".to_owned())
        );
        assert_eq!(text(ids(0..9), vec![], vec![], &up), Ok("*".to_owned()));
        let subset = Choice {
            subset: Some(9),
            ..Choice::default()
        };
        assert_eq!(
            text(ids(0..2), ids(7..8), vec![], &subset),
            Ok("* and L@m0,m1".to_owned())
        );
        let nobody = text(vec![], vec![], ids(0..3), &up);
        assert_eq!(
            nobody.map_err(|failure| failure.kind),
            Err(FailureKind::NotFound)
        );
    }
}
