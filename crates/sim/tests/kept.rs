//! Scenarios that once failed, and would again: each came from a mend that the simulation led to, taken out again. With the
//! feature `planted` the mends are taken out one by one, to see that the scenarios still show it.

use sim::scenario::Scenario;

/// The planted bug that takes the mend out, what was wrong, and the shortest way there.
const KEPT: [(&str, &str, &str); 15] = [
    (
        "SendsUnsaved",
        "a job was sent to a child that came back at that moment, before it was on disk",
        "chaos:620:acts=5,6,18,20,22,33,53,54,64:nodes-8,11",
    ),
    (
        "LosesOtherWay",
        "a job stayed open for ever at the second hub of a minion, since the origin had its return by the first one",
        "clocks:13:acts=43:nodes-7,8,9,10,13,14,16,17",
    ),
    (
        "KeepsSilent",
        "a row hung as queued that a hub did not mention when it told of the job's other minions again",
        "chaos:325:acts=51,55,56:nodes-5,6,7,8,9,10,14,15",
    ),
    (
        "KeepsHeldOfCut",
        "what was held behind a site that stayed cut off did not expire",
        "chaos:15:acts=0,6,9,16:nodes-2,3,5,6,8,13,15,16",
    ),
    (
        "RecallIsManifest",
        "an order that was asked for below passed for the answer to it, and minions were silently absent",
        "clocks:1128:acts=0,1,2,4,5,6,7,9,12,18,19:nodes-17,18",
    ),
    (
        "KeepsHeldOfRemoved",
        "what was held for a key that was removed stayed",
        "chaos:40:acts=4,5,7,8,9,19,57:nodes-12,14",
    ),
    (
        "ReturnsUnjournalled",
        "a return was told before it was in the journal",
        "restores:2:acts=31:nodes-1,2,3,5,6,7,8,9",
    ),
    (
        "StartsLate",
        "a job started after its time, which ended while its start was on the way to the disk",
        "restores:2:acts=3,4,5:nodes-3,4,6,7,8,9",
    ),
    (
        "KeepsRemoved",
        "what only a removed key could tell stayed open",
        "clocks:33:acts=19,27:nodes-2,5,6,10,11,12,13,18,19,20,21,22,23,24,25",
    ),
    (
        "KeepsRenumbered",
        "a key that came back under a new number left its old runs open",
        "chaos:440:acts=0,1,2,3,11,17,18,22,28:nodes-6,10,11,12",
    ),
    (
        "RestartForgetsSettled",
        "a restarted origin did not settle the returns that it had",
        "chaos:10:acts=10,12:nodes-2,3,4,5,6,7",
    ),
    (
        "ForgetsNumbers",
        "a minion counted twice after a hub's database was wiped",
        "restores:3205:acts=11,12,14,15,21,22,26,29,32",
    ),
    (
        "FreesAtNewSite",
        "a place was given back at the site where its minion was by then, which never had it",
        "chaos:3805:acts=0,1,5,6,22,29:nodes-9,14,16,17,18,19",
    ),
    (
        "UnaskedMustName",
        "a hub that was never asked kept the account incomplete",
        "clocks:138:acts=6,10,13,20,22,27,28,29,32",
    ),
    (
        "IgnoresCuts",
        "a hub that was cut off left what it had said as it was",
        "faults:156:acts=8:nodes-3,5,6,7,8,9,11,12,13,14,15,17",
    ),
];

#[test]
fn what_once_failed_does_not() {
    let mut failures = Vec::new();
    for (_, wrong, scenario) in KEPT {
        let scenario: Scenario = scenario.parse().unwrap();
        if let Err(failure) = scenario.run() {
            failures.push(format!("{wrong}: {}\n{scenario}", failure.text));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Other changes move what happens when, so that a scenario may miss its moment one day: then there is another one.
#[cfg(feature = "planted")]
#[test]
fn it_does_without_its_mend() {
    use relay::planted::{Bug, plant};
    use sim::hunt::hunt;

    /// Worlds that are looked at for another scenario.
    const SEEDS: u64 = 5_000;
    for (name, _, scenario) in KEPT {
        let kept: Scenario = scenario.parse().unwrap();
        let bug = Bug::ALL.iter().find(|bug| format!("{bug:?}") == name);
        plant(Some(*bug.unwrap()));
        let another = match kept.run() {
            Err(_) => Some(None),
            Ok(_) => hunt(0..SEEDS).map(Some),
        };
        plant(None);
        match another {
            Some(None) => {}
            Some(Some(catch)) => println!("{name}: {scenario} is now {}", catch.scenario),
            None => panic!("nothing shows {name} any more"),
        }
    }
}
