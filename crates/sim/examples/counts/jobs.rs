//! A job's way through a hub, from the order to the finished account.

use std::hint::black_box;

use relay::HubInput;
use wire::{Down, JobOrder, LedgerDelta, Outcome, OutcomeGroup, Up, ValueRef};

use crate::hub::Stand;
use crate::inputs::{self, MINIONS, NOW, Values};
use crate::{Benchmark, Work};

/// Messages that come while the disk writes a batch.
const BATCH: usize = 50;
/// Below the top-master.
const SYNDICS: u32 = 10;

type Prepare = fn(Values) -> Work;

pub fn benchmarks() -> impl Iterator<Item = Benchmark> {
    let kinds: [(&str, Prepare); 4] = [
        ("job-syndic", syndic),
        ("job-top", top),
        ("fold", fold),
        ("account", account),
    ];
    kinds.into_iter().flat_map(|(name, prepare)| {
        Values::ALL.into_iter().map(move |values| Benchmark {
            name: format!("{name}/{}", values.name()),
            unit: "return",
            units: MINIONS as usize,
            prepare: Box::new(move || prepare(values)),
        })
    })
}

/// What minions say, in their order: by link.
type Says = Vec<(u64, Up)>;

fn starts(order: &JobOrder) -> Says {
    let says = |number: u32| (u64::from(number), Up::Started { jid: order.jid });
    inputs::arrivals().into_iter().map(says).collect()
}

fn returns(order: &JobOrder, values: Values) -> Says {
    let timings = inputs::timings();
    let says = |number: u32| {
        let (json, timing) = (values.json(number), timings[number as usize]);
        let message = Up::Return(inputs::return_of(order, json, timing));
        (u64::from(number), message)
    };
    inputs::arrivals().into_iter().map(says).collect()
}

/// Children talk while the disk works.
fn talk(stand: &mut Stand, says: &mut Says) {
    for (nth, (link, message)) in says.drain(..).enumerate() {
        stand.child_says(link, message);
        if nth % BATCH == BATCH - 1 {
            stand.saves();
            stand.acknowledged();
        }
    }
    stand.saves();
    stand.acknowledged();
}

/// A syndic takes an order, hears of its minions, and tells its parent.
fn syndic(values: Values) -> Work {
    let mut stand = Stand::syndic(MINIONS);
    let order = inputs::order();
    let envelope = inputs::envelope(&order);
    let mut says = starts(&order);
    says.extend(returns(&order, values));
    let numbers = (0..MINIONS).filter_map(|n| Some(stand.hub.node_by_uid(inputs::uid(n))?.index()));
    let who: wire::IndexSet = numbers.collect();
    Box::new(move || {
        stand.parent_says(Down::Job(envelope.clone()));
        stand.saves();
        talk(&mut stand, &mut says);
        stand.parent_says(Down::SettledBy {
            jid: order.jid,
            who: who.clone(),
        });
        stand.saves();
        assert!(stand.has_finished(order.jid, MINIONS), "not finished");
    })
}

/// What syndics tell of their minions: who is expected, who has begun, and in two parts who has returned.
fn deltas(order: &JobOrder, values: Values) -> Says {
    let timings = inputs::timings();
    let each = MINIONS / SYNDICS;
    let mut says = Says::new();
    let tell = |says: &mut Says, syndic: u32, serial: u32, groups: Vec<OutcomeGroup>| {
        let delta = LedgerDelta {
            jid: order.jid,
            serial,
            roster: 1,
            complete: true,
            groups,
        };
        says.push((u64::from(syndic), Up::Ledger(delta)));
    };
    for (serial, outcome) in [(1, Outcome::Queued), (2, Outcome::Running)] {
        for syndic in 0..SYNDICS {
            let group = OutcomeGroup {
                outcome: outcome.clone(),
                who: (0..each).collect(),
                timings: vec![],
            };
            tell(&mut says, syndic, serial, vec![group]);
        }
    }
    let halves = [(3, 0..each / 2), (4, each / 2..each)];
    for (serial, part) in halves {
        for syndic in 0..SYNDICS {
            let first = syndic * each;
            let mut folded: Vec<(u32, OutcomeGroup)> = Vec::new();
            for index in part.clone() {
                let number = first + index;
                let value = values.of(number);
                let at = folded.iter().position(|(known, _)| *known == value);
                let at = at.unwrap_or_else(|| {
                    let outcome = Outcome::Returned {
                        retcode: 0,
                        success: true,
                        value: ValueRef::Inline(values.json(number)),
                    };
                    let group = OutcomeGroup {
                        outcome,
                        who: wire::IndexSet::new(),
                        timings: vec![],
                    };
                    folded.push((value, group));
                    folded.len() - 1
                });
                let (_, group) = &mut folded[at];
                group.who.insert(index);
                group.timings.push(timings[number as usize]);
            }
            let groups = folded.into_iter().map(|(_, group)| group).collect();
            tell(&mut says, syndic, serial, groups);
        }
    }
    says
}

fn submit(stand: &mut Stand, order: &JobOrder) {
    stand.put(HubInput::Submit {
        envelope: inputs::envelope(order),
        order: inputs::shared(order),
        hold: false,
        plan: None,
        warrant: None,
    });
    stand.saves();
}

/// A top-master orders, and hears of its syndics.
fn top(values: Values) -> Work {
    let mut stand = Stand::top(SYNDICS, MINIONS / SYNDICS);
    let order = inputs::order();
    let mut says = deltas(&order, values);
    Box::new(move || {
        submit(&mut stand, &order);
        talk(&mut stand, &mut says);
        assert!(stand.has_finished(order.jid, MINIONS), "not finished");
    })
}

/// All have returned while the disk was busy: what is said to the disk and to the parent is folded.
fn fold(values: Values) -> Work {
    let mut stand = Stand::syndic(MINIONS);
    let order = inputs::order();
    stand.parent_says(Down::Job(inputs::envelope(&order)));
    stand.saves();
    talk(&mut stand, &mut starts(&order));
    for (link, message) in returns(&order, values) {
        stand.child_says(link, message);
    }
    Box::new(move || {
        stand.saves();
        let counts = stand.hub.counts(order.jid).unwrap_or_default();
        assert_eq!(counts.ok, u64::from(MINIONS));
    })
}

/// The whole account of a finished job, as the command line asks for it.
fn account(values: Values) -> Work {
    let mut stand = Stand::top(SYNDICS, MINIONS / SYNDICS);
    let order = inputs::order();
    submit(&mut stand, &order);
    talk(&mut stand, &mut deltas(&order, values));
    Box::new(move || {
        let hub = &stand.hub;
        let name_of = |index| {
            let node = hub.node(index)?;
            Some((node.id().to_string(), node.path().to_string()))
        };
        let cut_since = |path: &str| hub.cut_since(path);
        let job = hub.job(order.jid);
        let ledger = job.map(|job| job.ledger(&name_of, &cut_since, NOW));
        let rows = black_box(ledger).map_or(0, |ledger| ledger.minions.len());
        assert_eq!(rows, MINIONS as usize);
    })
}
