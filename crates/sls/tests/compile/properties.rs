//! What holds for the order and the run of any states.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sls::compile::{self, Answer, Call, High, Low, Options, Return, Run, Settings, Step};

const STATES_MAX: usize = 9;
const STEPS_MAX: usize = 2_000;

const PLAIN: &[&str] = &[
    "require",
    "watch",
    "onchanges",
    "onfail",
    "require_any",
    "watch_any",
    "onchanges_any",
    "onfail_any",
    "onfail_all",
];

/// A state: its order, whether it is parallel, and what it has on which other states.
#[derive(Clone, Debug)]
struct State {
    order: Option<i64>,
    is_parallel: bool,
    requisites: Vec<(&'static str, usize)>,
}

fn states(kinds: &'static [&'static str]) -> impl Strategy<Value = Vec<State>> {
    let requisite = (prop::sample::select(kinds), 0..STATES_MAX);
    let state = (
        prop::option::weighted(0.3, -3..12_i64),
        prop::bool::weighted(0.2),
        prop::collection::vec(requisite, 0..3),
    )
        .prop_map(|(order, is_parallel, requisites)| State {
            order,
            is_parallel,
            requisites,
        });
    prop::collection::vec(state, 1..STATES_MAX).prop_map(|mut states| {
        let count = states.len();
        for state in &mut states {
            for (_, on) in &mut state.requisites {
                *on %= count;
            }
        }
        states
    })
}

/// As [`states`], where each has requisites on earlier ones only.
fn acyclic(kinds: &'static [&'static str]) -> impl Strategy<Value = Vec<State>> {
    states(kinds).prop_map(|mut states| {
        for (index, state) in states.iter_mut().enumerate() {
            state.requisites.retain(|(_, on)| *on != index);
            for (kind, on) in &mut state.requisites {
                // A prereq is on a later state.
                if (*kind == "prereq") != (*on > index) {
                    *kind = if *on > index { "prereq" } else { "require" };
                }
            }
        }
        states
    })
}

fn name(index: usize) -> String {
    format!("s{index}")
}

fn high(states: &[State]) -> High {
    let declare = |(index, state): (usize, &State)| {
        let mut arguments = vec![
            json!("nop"),
            json!({"order": state.order.unwrap_or(10_000 + index as i64)}),
        ];
        if state.is_parallel {
            arguments.push(json!({"parallel": true}));
        }
        let mut requisites: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (kind, on) in &state.requisites {
            requisites
                .entry(kind)
                .or_default()
                .push(json!({"test": name(*on)}));
        }
        arguments.extend(requisites.into_iter().map(|(kind, on)| json!({kind: on})));
        (
            name(index),
            json!({"test": arguments, "__sls__": "x", "__env__": "base"}),
        )
    };
    states.iter().enumerate().map(declare).collect()
}

fn compiled(states: &[State]) -> Result<Low, compile::Errors> {
    compile::compile(high(states), &Settings::default(), &|_: &str| true)
}

fn order(low: &Low) -> Vec<String> {
    low.ordered().map(compile::Chunk::id).collect()
}

/// Whether a walk along requisites comes back to where it was.
fn is_cyclic(states: &[State]) -> bool {
    fn walk(states: &[State], at: usize, open: &mut Vec<usize>, closed: &mut Vec<usize>) -> bool {
        if open.contains(&at) {
            return true;
        }
        if closed.contains(&at) {
            return false;
        }
        open.push(at);
        let is_cyclic = states[at]
            .requisites
            .iter()
            .any(|(_, on)| walk(states, *on, open, closed));
        open.pop();
        closed.push(at);
        is_cyclic
    }
    (0..states.len()).any(|start| walk(states, start, &mut Vec::new(), &mut Vec::new()))
}

fn place(order: &[String], index: usize) -> usize {
    order
        .iter()
        .position(|other| *other == name(index))
        .expect("each state is in the order")
}

fn last_place(order: &[String], index: usize) -> usize {
    order
        .iter()
        .rposition(|other| *other == name(index))
        .expect("each state is in the order")
}

/// A small source of answers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn answer(&mut self, call: &Call) -> Answer {
        let is_changed = self.roll(2) == 0;
        let result = match self.roll(4) {
            0 => Some(false),
            _ if is_changed && call.is_test => None,
            _ => Some(true),
        };
        let changes = if is_changed {
            Map::from_iter([("x".to_owned(), json!(1))])
        } else {
            Map::new()
        };
        Answer {
            returned: Return {
                result,
                changes,
                ..Return::default()
            },
            ..Answer::default()
        }
    }
}

/// Runs states with answers by chance. Returns the results and the ids that were really called, in their order.
fn run(low: Low, options: Options, seed: u64) -> (Map<String, Value>, Vec<String>) {
    let mut dice = Dice(seed);
    let mut run = Run::new(low, options);
    let mut open: VecDeque<Call> = VecDeque::new();
    let mut called = Vec::new();
    for _ in 0..STEPS_MAX {
        match run.next("") {
            Step::Finished => {
                assert!(open.is_empty());
                return (run.into_results(), called);
            }
            Step::Call(call) => {
                if !call.is_test {
                    called.push(call.chunk.id());
                }
                let is_parallel = call.is_parallel;
                open.push_back(*call);
                if is_parallel && dice.roll(2) == 0 {
                    continue;
                }
            }
            Step::Wait => {}
        }
        // The machine may wait for one of several: any may come first.
        let at = dice.roll(open.len() as u64) as usize;
        let call = open.remove(at).expect("what it waits for is open");
        let answer = dice.answer(&call);
        run.done(call.number, answer).expect("it is open");
    }
    panic!("the run does not end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn cycles_are_reported_and_nothing_else(states in states(PLAIN)) {
        match compiled(&states) {
            Ok(low) => {
                prop_assert!(!is_cyclic(&states));
                let order = order(&low);
                prop_assert_eq!(order.len(), states.len());
                for (index, state) in states.iter().enumerate() {
                    for (_, on) in &state.requisites {
                        prop_assert!(place(&order, *on) < place(&order, index), "{:?}", order);
                    }
                }
            }
            Err(errors) => {
                prop_assert!(is_cyclic(&states));
                prop_assert!(errors.0[0].starts_with("Recursive requisites were found: ("), "{}", errors);
            }
        }
    }

    #[test]
    fn prereqs_are_asked_before_and_run_after(states in states(&["prereq", "require", "watch"])) {
        match compiled(&states) {
            Ok(low) => {
                let order = order(&low);
                let mut asked: Vec<usize> = Vec::new();
                for (index, state) in states.iter().enumerate() {
                    for (kind, on) in &state.requisites {
                        let asker = last_place(&order, index);
                        if *kind == "prereq" {
                            asked.push(*on);
                            prop_assert!(place(&order, *on) < asker && asker < last_place(&order, *on), "{:?}", order);
                        } else {
                            prop_assert!(last_place(&order, *on) < asker, "{:?}", order);
                        }
                    }
                }
                asked.sort_unstable();
                asked.dedup();
                prop_assert_eq!(order.len(), states.len() + asked.len());
            }
            Err(errors) => prop_assert!(errors.0[0].starts_with("Recursive requisites were found: ("), "{}", errors),
        }
    }

    #[test]
    fn the_order_is_stable(states in states(PLAIN)) {
        if let (Ok(one), Ok(other)) = (compiled(&states), compiled(&states)) {
            prop_assert_eq!(order(&one), order(&other));
        }
    }

    #[test]
    fn without_requisites_the_numbers_decide(mut states in states(PLAIN)) {
        for state in &mut states {
            state.requisites.clear();
            state.order = state.order.filter(|order| *order >= 0);
        }
        let order = order(&compiled(&states).unwrap());
        let mut expected: Vec<usize> = (0..states.len()).collect();
        expected.sort_by_key(|index| (states[*index].order.unwrap_or(10_000 + *index as i64), name(*index)));
        prop_assert_eq!(order, expected.into_iter().map(name).collect::<Vec<_>>());
    }

    #[test]
    fn runs_end_with_a_record_for_each(states in acyclic(&["prereq", "require", "watch", "onchanges", "onfail", "require_any"]), seed: u64) {
        let Ok(low) = compiled(&states) else {
            return Ok(());
        };
        let (results, called) = run(low, Options::default(), seed);
        prop_assert_eq!(results.len(), states.len());
        let record = |index: usize| &results[&format!("test_|-{0}_|-{0}_|-nop", name(index))];
        let all = states.iter().flat_map(|state| &state.requisites);
        let asked: Vec<usize> = all.filter(|(kind, _)| *kind == "prereq").map(|(_, on)| *on).collect();
        for (index, state) in states.iter().enumerate() {
            let ran = called.contains(&name(index));
            for (kind, on) in &state.requisites {
                let other = record(*on);
                if *kind == "require" || *kind == "watch" {
                    if other["result"] == json!(false) {
                        // Salt keeps the answer of a state that was asked what it would change.
                        prop_assert!(asked.contains(&index) || record(index)["result"] == json!(false));
                        prop_assert!(!ran);
                    }
                    if ran && called.contains(&name(*on)) {
                        prop_assert!(place(&called, *on) < place(&called, index));
                    }
                }
                if *kind == "prereq" && ran && called.contains(&name(*on)) {
                    prop_assert!(place(&called, index) < place(&called, *on));
                }
            }
        }
    }

    #[test]
    fn failhard_ends_runs(states in acyclic(&["require"]), seed: u64) {
        let Ok(low) = compiled(&states) else {
            return Ok(());
        };
        let options = Options { failhard: true, parallel_max: Some(1), ..Options::default() };
        let (results, _) = run(low, options, seed);
        let is_failed = |record: &&Value| record["result"] == json!(false);
        let has_parallel = states.iter().any(|state| state.is_parallel);
        // Those that were under way when another failed are heard.
        prop_assert!(has_parallel || results.values().filter(is_failed).count() <= 1);
        prop_assert!(results.values().any(|record| is_failed(&record)) || results.len() == states.len());
    }
}

/// A parallel state that asks another one, which waits for a third that is under way.
#[test]
fn a_question_waits_for_a_parallel_state() {
    let state = |order, is_parallel, requisites: &[(&'static str, usize)]| State {
        order,
        is_parallel,
        requisites: requisites.to_vec(),
    };
    let states = [
        state(None, false, &[]),
        state(Some(-3), true, &[]),
        state(None, true, &[("require", 1)]),
        state(None, false, &[("prereq", 5), ("prereq", 4)]),
        state(Some(2), true, &[("require", 2)]),
        state(None, true, &[]),
    ];
    let low = compiled(&states).expect("no cycle");
    let (results, _) = run(low, Options::default(), 9_452_934_122_153_059_427);
    assert_eq!(results.len(), states.len());
}
