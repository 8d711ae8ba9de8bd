//! The history of a hub, as long as wanted: copies of jobs that a hub ran, each at a time of its own.
//!
//! How returns are folded into records is the product's business, so the records are taken from the store of a hub that made
//! them. A copy has another id, other times, and where values are unique, other values of the same length. Signatures are
//! copied as they are: nobody verifies the order of a job that is over.

use anyhow::{Context, ensure};
use cable::Dice;
use store::{HubStore, StoredJob};
use wire::control::JobSummary;
use wire::record::{JobHead, Record};
use wire::{
    Jid, JidClock, JobOrder, Json, LedgerDelta, Outcome, OutcomeGroup, Timing, UnixMillis,
    ValueRef, codec,
};

/// Functions start within so many milliseconds after the order.
const START_WITHIN_MS: usize = 1_000;
/// They run for 1 ms to about a minute, evenly by the logarithm: 2 to the power of this.
const DURATION_POWER: usize = 16;

/// What the minions of a job return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// All the same.
    Equal,
    /// One of a few values.
    Few,
    /// 100 bytes that no two of them share.
    Unique,
}

impl Sort {
    pub const ALL: [Sort; 3] = [Sort::Equal, Sort::Few, Sort::Unique];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Equal => "equal",
            Sort::Few => "few values",
            Sort::Unique => "unique",
        }
    }

    /// A function of simulated minions that returns so, and its arguments.
    pub fn function(self) -> (&'static str, &'static str) {
        match self {
            Sort::Equal => ("test.ping", "[]"),
            Sort::Few => ("test.rand_str", "[8, 8]"),
            // And two quotes.
            Sort::Unique => ("test.rand_str", "[98]"),
        }
    }

    /// What the job with this number returns: one of a hundred unique values, ten a few.
    pub fn of(number: u32) -> Sort {
        match number % 100 {
            0 => Sort::Unique,
            1..=10 => Sort::Few,
            _ => Sort::Equal,
        }
    }
}

/// A job that a hub ran.
#[derive(Debug)]
pub struct Template {
    pub sort: Sort,
    order: JobOrder,
    head: JobHead,
    news: Vec<LedgerDelta>,
    summary: JobSummary,
}

/// What a job needs in the store, in bytes of its records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Need {
    pub records: usize,
    pub bytes: usize,
    /// Those of start and duration of each return.
    pub timings: usize,
}

impl Template {
    /// Of a job that has ended well for so many minions.
    pub fn new(sort: Sort, stored: StoredJob, minions: u32) -> anyhow::Result<Template> {
        let summary = stored.state.context("a job without a state")?;
        let ok = summary.counts.ok;
        ensure!(
            summary.finished.is_some() && ok == u64::from(minions),
            "job {} is ok at {ok} of {minions}",
            summary.jid
        );
        Ok(Template {
            sort,
            order: codec::decode(&stored.head.envelope.order)?,
            head: stored.head,
            news: stored.news,
            summary,
        })
    }

    /// The same job at another time.
    pub fn copy(
        &self,
        jid: Jid,
        issued: UnixMillis,
        dice: &mut Dice,
    ) -> anyhow::Result<Vec<Record>> {
        let moved = |time: UnixMillis| issued + time.saturating_sub(self.order.issued);
        let order = JobOrder {
            jid,
            issued,
            start_by: moved(self.order.start_by),
            ..self.order.clone()
        };
        let mut head = self.head.clone();
        head.jid = jid;
        head.received = moved(head.received);
        head.envelope.order = codec::encode(&order)?.into();
        let mut records = vec![Record::Job(Box::new(head))];
        for delta in &self.news {
            let groups = delta.groups.iter().map(|group| self.group(group, dice));
            records.push(Record::JobNews(LedgerDelta {
                jid,
                groups: groups.collect(),
                ..delta.clone()
            }));
        }
        let summary = JobSummary {
            jid,
            issued,
            finished: self.summary.finished.map(moved),
            ..self.summary.clone()
        };
        records.push(Record::JobState {
            summary: Box::new(summary),
            open: false,
        });
        Ok(records)
    }

    fn group(&self, group: &OutcomeGroup, dice: &mut Dice) -> OutcomeGroup {
        let mut group = group.clone();
        if self.sort == Sort::Unique
            && let Outcome::Returned { value, .. } = &mut group.outcome
        {
            match value {
                ValueRef::Inline(json) | ValueRef::Define(_, json) => *json = noise(json, dice),
                ValueRef::Known(_) => {}
            }
        }
        for timing in &mut group.timings {
            *timing = Timing {
                start_offset_ms: dice.below(START_WITHIN_MS) as u32,
                duration_ms: duration_ms(dice),
            };
        }
        group
    }
}

/// Writes a history.
#[derive(Debug)]
pub struct Writer {
    templates: Vec<Template>,
    clock: JidClock,
    dice: Dice,
    /// Jobs that were written, oldest first.
    pub jobs: Vec<(Sort, Jid)>,
}

impl Writer {
    /// Of jobs that are in the store and have ended well for so many minions.
    pub fn new(store: &HubStore, made: &[(Sort, Jid)], minions: u32) -> anyhow::Result<Writer> {
        let template = |(sort, jid): &(Sort, Jid)| {
            let stored = store.job(*jid)?.with_context(|| format!("no job {jid}"))?;
            Template::new(*sort, stored, minions)
        };
        let templates = made.iter().map(template).collect::<anyhow::Result<_>>()?;
        Ok(Writer {
            templates,
            clock: JidClock::new(0, 0),
            dice: Dice::new(1),
            jobs: Vec::new(),
        })
    }

    /// What a job of each sort needs.
    pub fn needs(&mut self) -> anyhow::Result<Vec<(Sort, Need)>> {
        let dice = &mut self.dice;
        let need = |template: &Template| {
            let copy = template.copy(template.summary.jid, template.order.issued, dice)?;
            Ok((template.sort, Need::of(&copy)?))
        };
        self.templates.iter().map(need).collect()
    }

    /// Writes a job for each of these times, which rise, and so many in each transaction.
    pub fn write(
        &mut self,
        store: &mut HubStore,
        times: &[UnixMillis],
        group: usize,
    ) -> anyhow::Result<()> {
        for times in times.chunks(group) {
            let mut records = Vec::new();
            for issued in times {
                records.extend(self.next(*issued)?);
            }
            store.commit(&records)?;
        }
        Ok(())
    }

    fn next(&mut self, issued: UnixMillis) -> anyhow::Result<Vec<Record>> {
        let sort = Sort::of(self.jobs.len() as u32);
        let template = self
            .templates
            .iter()
            .find(|template| template.sort == sort)
            .with_context(|| format!("no job with {} values", sort.name()))?;
        let jid = self.clock.next(issued);
        self.jobs.push((sort, jid));
        template.copy(jid, issued, &mut self.dice)
    }
}

impl Need {
    /// Of these records of one job.
    pub fn of(records: &[Record]) -> anyhow::Result<Need> {
        let mut need = Need {
            records: records.len(),
            ..Need::default()
        };
        for record in records {
            need.bytes += codec::encode(record)?.len();
            if let Record::JobNews(delta) = record {
                for timing in delta.groups.iter().flat_map(|group| &group.timings) {
                    need.timings += codec::encode(timing)?.len();
                }
            }
        }
        Ok(need)
    }
}

fn duration_ms(dice: &mut Dice) -> u32 {
    let power = dice.below(DURATION_POWER * 1_000) as f64 / 1_000.0;
    power.exp2() as u32
}

/// Another JSON text of the same length.
fn noise(json: &Json, dice: &mut Dice) -> Json {
    let letters = (0..json.len().saturating_sub(2)).map(|_| b'a' + dice.below(26) as u8);
    let quote = std::iter::once(b'"');
    quote.clone().chain(letters).chain(quote).collect()
}

/// When each of so many jobs is issued, evenly within a time that ends at `end`.
pub fn times(jobs: u32, end: UnixMillis, span_ms: u64) -> impl Iterator<Item = UnixMillis> {
    let begin = end.saturating_sub(span_ms);
    (0..u64::from(jobs)).map(move |number| begin + span_ms * number / u64::from(jobs.max(1)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wire::{Counts, IndexSet, JobEnvelope, JobOptions, RunTarget, SitePath, TreeId, Uid};

    use super::*;

    const ISSUED: UnixMillis = 1_800_000_000_000;

    fn indices(numbers: impl IntoIterator<Item = u32>) -> IndexSet {
        let mut set = IndexSet::new();
        for number in numbers {
            set.insert(number);
        }
        set
    }

    /// Two minions that return values of their own.
    fn template(sort: Sort) -> Template {
        let jid: Jid = "20270115080000000001".parse().unwrap();
        let order = JobOrder {
            tree: TreeId([0; 32]),
            jid,
            origin: Uid([0; 16]),
            origin_id: "top".parse().unwrap(),
            scope: SitePath::top(),
            user: "bench".to_owned(),
            target: RunTarget {
                compound: "*".to_owned(),
                typed: "*".to_owned(),
            },
            fun: "test.ping".to_owned(),
            args: (*b"[]").into(),
            kwargs: (*b"{}").into(),
            issued: ISSUED,
            start_by: ISSUED + 60_000,
            options: JobOptions::default(),
        };
        let group = |number: u32, value: &[u8]| OutcomeGroup {
            outcome: Outcome::Returned {
                retcode: 0,
                success: true,
                value: ValueRef::Inline(value.into()),
            },
            who: indices([number]),
            timings: vec![Timing::default()],
        };
        let stored = StoredJob {
            head: JobHead {
                jid,
                envelope: JobEnvelope {
                    order: codec::encode(&order).unwrap().into(),
                    signer: Uid([0; 16]),
                    signature: [7; 64],
                },
                parents: Vec::new(),
                received: ISSUED + 1,
            },
            news: vec![LedgerDelta {
                jid,
                serial: 1,
                roster: 0,
                complete: true,
                groups: vec![group(1, br#""one""#), group(2, br#""two""#)],
            }],
            plan: Vec::new(),
            state: Some(JobSummary {
                jid,
                fun: order.fun.clone(),
                target: "*".to_owned(),
                user: order.user.clone(),
                origin: "top".to_owned(),
                issued: ISSUED,
                finished: Some(ISSUED + 50),
                counts: Counts {
                    expected: 2,
                    ok: 2,
                    ..Counts::default()
                },
            }),
        };
        Template::new(sort, stored, 2).unwrap()
    }

    fn values(records: &[Record]) -> Vec<Json> {
        let groups = records.iter().flat_map(|record| match record {
            Record::JobNews(delta) => delta.groups.as_slice(),
            _ => &[],
        });
        let value = |group: &OutcomeGroup| match &group.outcome {
            Outcome::Returned {
                value: ValueRef::Inline(json),
                ..
            } => json.clone(),
            other => panic!("{other:?}"),
        };
        groups.map(value).collect()
    }

    #[test]
    fn a_copy_is_the_job_at_another_time() {
        let jid: Jid = "20260115080000000001".parse().unwrap();
        let issued = ISSUED - 1_000_000;
        let records = template(Sort::Equal)
            .copy(jid, issued, &mut Dice::new(1))
            .unwrap();
        let [
            Record::Job(head),
            Record::JobNews(delta),
            Record::JobState { summary, open },
        ] = &records[..]
        else {
            panic!("{records:?}");
        };
        let order: JobOrder = codec::decode(&head.envelope.order).unwrap();
        assert_eq!(
            (head.jid, order.jid, delta.jid, summary.jid),
            (jid, jid, jid, jid)
        );
        assert_eq!((order.issued, order.start_by), (issued, issued + 60_000));
        assert_eq!((head.received, summary.issued), (issued + 1, issued));
        assert_eq!((summary.finished, *open), (Some(issued + 50), false));
        assert_eq!(
            values(&records),
            [Json::from(&br#""one""#[..]), Json::from(&br#""two""#[..])]
        );
    }

    #[test]
    fn unique_values_are_other_ones_in_each_copy() {
        let (template, mut dice) = (template(Sort::Unique), Dice::new(1));
        let mut seen = BTreeSet::new();
        for _ in 0..2 {
            let records = template
                .copy(template.summary.jid, ISSUED, &mut dice)
                .unwrap();
            for value in values(&records) {
                assert_eq!(value.len(), br#""one""#.len());
                assert!(std::str::from_utf8(&value).unwrap().starts_with('"'));
                seen.insert(value);
            }
        }
        assert_eq!(seen.len(), 4, "{seen:?}");
    }

    #[test]
    fn a_job_that_did_not_end_well_is_no_template() {
        let Template {
            head,
            news,
            summary,
            ..
        } = template(Sort::Equal);
        let stored = |state| StoredJob {
            head: head.clone(),
            news: news.clone(),
            plan: Vec::new(),
            state,
        };
        let unfinished = JobSummary {
            finished: None,
            ..summary.clone()
        };
        assert!(Template::new(Sort::Equal, stored(None), 2).is_err());
        assert!(Template::new(Sort::Equal, stored(Some(unfinished)), 2).is_err());
        assert!(Template::new(Sort::Equal, stored(Some(summary.clone())), 3).is_err());
        assert!(Template::new(Sort::Equal, stored(Some(summary)), 2).is_ok());
    }

    #[test]
    fn needs_add_up() {
        let records = template(Sort::Equal)
            .copy(
                "20260115080000000001".parse().unwrap(),
                ISSUED,
                &mut Dice::new(1),
            )
            .unwrap();
        let need = Need::of(&records).unwrap();
        assert_eq!(need.records, 3);
        // Two returns, each with two numbers of one to three bytes.
        assert!((4..=12).contains(&need.timings), "{need:?}");
        assert!(need.bytes > need.timings, "{need:?}");
    }

    #[test]
    fn a_written_history_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = HubStore::open(&dir.path().join("hub.db")).unwrap();
        let mut writer = Writer {
            templates: Sort::ALL.map(template).into(),
            clock: JidClock::new(0, 0),
            dice: Dice::new(1),
            jobs: Vec::new(),
        };
        let times: Vec<UnixMillis> = times(25, ISSUED, 25_000).collect();
        writer.write(&mut store, &times, 10).unwrap();
        let listed = store.jobs(100, None).unwrap();
        let issued: Vec<UnixMillis> = listed.iter().rev().map(|job| job.issued).collect();
        assert_eq!(issued, times);
        for (sort, jid) in &writer.jobs {
            let stored = store.job(*jid).unwrap().unwrap();
            Template::new(*sort, stored, 2).unwrap();
        }
    }

    #[test]
    fn one_of_a_hundred_is_unique() {
        let count = |sort| (0..91_000).filter(|n| Sort::of(*n) == sort).count();
        assert_eq!(Sort::ALL.map(count), [80_990, 9_100, 910]);
    }

    #[test]
    fn times_are_spread_and_rise() {
        assert_eq!(
            times(4, 1_000, 400).collect::<Vec<_>>(),
            [600, 700, 800, 900]
        );
        assert_eq!(times(0, 1_000, 400).count(), 0);
    }

    #[test]
    fn durations_are_a_millisecond_to_a_minute() {
        let mut dice = Dice::new(1);
        let all: Vec<u32> = (0..10_000).map(|_| duration_ms(&mut dice)).collect();
        assert!(all.iter().all(|ms| (1..=65_536).contains(ms)));
        let short = all.iter().filter(|ms| **ms < 256).count();
        assert!((4_500..=5_500).contains(&short), "{short}");
    }
}
