//! Scenarios that once failed, and would again: each came from a mend that the simulation led to, taken out again. With the
//! feature `planted` the mends are taken out one by one, to see that the scenarios still show it.

use sim::scenario::Scenario;

/// The planted bug that takes the mend out, what was wrong, and the shortest way there.
const KEPT: [(&str, &str, &str); 25] = [
    (
        "SendsUnsaved",
        "a job was sent to a child that came back at that moment, before it was on disk",
        "chaos:620:acts=5,6,18,20,22,33,53,54,64:nodes-8,11",
    ),
    (
        "TrustsOthers",
        "a key that was deleted stayed pending, unseen from above, at a site that was just being cut off and knew it too",
        "gathered:20159:acts=0,1,4,5,6,7,8,9,12,13,14,18,21,29,31,38,49,52",
    ),
    (
        "KeepsTurnOfAbsent",
        "a turn that one hub had turned down was given by another one that came back, and two ran where one may",
        "faults:80953:acts=7,10,11:nodes-13,14",
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
        "parts:2188:acts=9,11,16,18,19,20,21,24,25,27,29,30,37,38,42,44,49",
    ),
    (
        "KeepsHeldOfRemoved",
        "what was held for a key that was removed stayed",
        "chaos:6:acts=51,54,56:nodes-2,3,5,6,7,8,11,12,13,14,17,18,19",
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
        "UnaskedMustName",
        "a hub that was never asked kept the account incomplete",
        "clocks:345:acts=7,8,9,10,11,13,15,16,18,19,21,22,23,33,34,35:nodes-12",
    ),
    (
        "IgnoresCuts",
        "a hub that was cut off left what it had said as it was",
        "faults:156:acts=8:nodes-3,5,6,7,8,9,11,12,13,14,15,17",
    ),
    (
        "KeepsHeadless",
        "a minion was not told that it may forget a return which a restarted origin had without its order",
        "restores:20:acts=5,21,33,52,58:nodes-2,3,4,6,7,8",
    ),
    (
        "HidesRuns",
        "one hub's word that it had not given a turn hid that another one had",
        "restores:5486:acts=12,31,33,39,42:nodes-6,20,21",
    ),
    (
        "ForgetsHeldOfWiped",
        "what was held at a site that lost its disk stayed open for ever",
        "restores:1352:acts=7,8,9,12,14,15,16,18,36,37,52,56:nodes-1,3,6,8,10,11",
    ),
    (
        "CountsAnew",
        "a hub counted its deltas anew within a session, and its parent waited for one that never came",
        "parts:204411:acts=2:nodes-9,10,11,14,15,18,19,23,24,25,26",
    ),
    (
        "ForgetsDeclined",
        "a turn that had been turned down was given when it was told again",
        "parts:3370:acts=0,3,4,5,6,8,9,12,13,16,17,18,20,21,23,24,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,45,46,47,48,49,51,52,53,55,59,62",
    ),
    (
        "RestartForgetsWays",
        "after a restart one hub's word of a minion's turn passed for that of both",
        "faults:1693:acts=0,1,2,3,4,5,7,9,10,11,12,13,14,15,17,20,21,23,24,26,27,29,30,32,34,35,36,37,38,40,41,43,44,45,47,49,51,53,54:nodes-13,14",
    ),
    (
        "QueuesHalted",
        "a minion that came back after the end of a rollout waited for its turn for ever",
        "restores:203094:acts=0,1,2,5,7,8,9,10,11,12,14,15,28,29,31,36,38,39,40,41,43",
    ),
    (
        "ForgetsWhatIsOwed",
        "a minion right below two top-masters forgot a return that the heir of a job had, and its former owner had not",
        "chaos:300011:acts=0,3,4,5,6,11,12:nodes-4,5,7,8",
    ),
    (
        "StaysClosed",
        "an order that came after the account of its returns was closed was never told to a top-master that was away",
        "chaos:301624:acts=8,9,14,15,20,25,27,44,45,50:nodes-9,11,12",
    ),
    (
        "HearsRefused",
        "a syndic whose key was just deleted told its roster before it heard that, and its minions stayed in the tree",
        "heirs:320651:acts=0,1,2,4,5,6,8,9,10,11,12:nodes-7,10,11,14",
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
    let mut unseen = Vec::new();
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
            None => unseen.push(name),
        }
    }
    assert!(unseen.is_empty(), "nothing shows {unseen:?} any more");
}
