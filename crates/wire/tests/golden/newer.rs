//! What came after protocol 1.

use wire::files::{Answer, MineExport, MineQuestion, Request};
use wire::record::{Record, RunOutcome, RunRecord};
use wire::{
    Amount, BatchPlan, Between, Down, Event, Events, Finding, Halt, KeyDecision, LedgerDelta,
    Outcome, OutcomeGroup, OwnRun, Owner, PlanRecord, ReasonCode, Release, RunSource, Stance,
    Steps, StopOn, StopRule, StopScope, Terms, Uid, Up, Warrant,
};

use crate::messages::{envelope, jid, json, reason, site};
use crate::records::summary;
use crate::{Sample, sample};

fn release() -> Release {
    Release {
        round: 3,
        until: 300,
        who: [1, 70_000].into_iter().collect(),
    }
}

fn finding() -> Finding {
    Finding {
        stance: Stance::Refused,
        reason: "a rule".to_owned(),
        who: release().who,
    }
}

fn warrant() -> Warrant {
    Warrant {
        groups: vec!["ops".to_owned()],
        reason: Some("it burns".to_owned()),
        signature: [9; 64],
    }
}

fn run(outcome: RunOutcome) -> RunRecord {
    RunRecord {
        summary: summary(),
        args: json("[]"),
        kwargs: json("{}"),
        roots: Some("abc".to_owned()),
        jobs: vec![("webs".to_owned(), jid())],
        outcome: Some(outcome),
    }
}

fn halt() -> Halt {
    Halt {
        site: Some(site()),
        reason: reason(ReasonCode::Halted),
    }
}

fn plan(between: Between) -> BatchPlan {
    BatchPlan {
        size: Some(Amount::Percent(1_000)),
        per_site: Some(2),
        wait_ms: 300,
        stages: vec![Amount::Count(1), Amount::Percent(10_000)],
        between,
        stops: vec![StopRule {
            on: StopOn::Unreachable,
            at: Amount::Count(3),
            scope: StopScope::Site,
        }],
    }
}

fn held() -> LedgerDelta {
    let outcomes = [
        Outcome::Held {
            reason: reason(ReasonCode::MinionDown),
            round: 2,
        },
        Outcome::Refused(reason(ReasonCode::Cancelled)),
        Outcome::Refused(reason(ReasonCode::TooOld)),
    ];
    LedgerDelta {
        jid: jid(),
        serial: 1,
        roster: 1,
        complete: false,
        groups: outcomes
            .into_iter()
            .map(|outcome| OutcomeGroup {
                outcome,
                who: [9].into_iter().collect(),
                timings: Vec::new(),
            })
            .collect(),
    }
}

fn mine_export() -> MineExport {
    MineExport {
        uid: Uid([4; 16]),
        id: "web1".parse().expect("an id"),
        path: site(),
        entries: json("{}"),
    }
}

fn mine_question() -> MineQuestion {
    MineQuestion {
        tgt: "web*".to_owned(),
        tgt_type: "glob".to_owned(),
        funs: vec!["network.ip_addrs".to_owned()],
        asker: Uid([4; 16]),
    }
}

fn own_run() -> OwnRun {
    OwnRun {
        uid: Uid([4; 16]),
        id: "web1".parse().expect("an id"),
        path: site(),
        jid: jid(),
        source: RunSource::Call,
        schedule: Some("daily".to_owned()),
        user: "root".to_owned(),
        fun: "test.ping".to_owned(),
        args: json("[]"),
        kwargs: json("{}"),
        metadata: json("{}"),
        started: 1_795_387_039_123,
        duration_ms: 300,
        retcode: 1,
        success: true,
        value: json("true"),
    }
}

#[rustfmt::skip] // A table is read in rows.
pub fn protocol_2() -> Vec<Sample> {
    let check = Between::Check { fun: "test.ping".to_owned(), args: json("[]"), kwargs: json("{}") };
    let terms = Terms { hold: true, by_release: true };
    let owner = Owner { term: 1, hub: Uid([9; 16]) };
    let pillar = Request::Pillar {
        roots: None,
        grains: json("{}"),
        pillarenv: "dev".to_owned(),
        saltenv: String::new(),
        values: json("{}"),
    };
    let entry = |entry| Record::JobPlan { jid: jid(), entry };
    let undelivered = |decision| Record::Undelivered { hub: Uid([9; 16]), uid: Uid([4; 16]), decision };
    let event = Event {
        id: "web1".parse().expect("an id"),
        path: site(),
        number: 300,
        stamp: 1_795_387_039_123,
        jid: Some(jid()),
        tag: "a/b".to_owned(),
        data: json("{}"),
    };
    let events = Events { events: vec![event], dropped: 3 };
    vec![
        sample!("up.events", Up, Up::Events(events)),
        sample!("down.event-filters", Down, Down::EventFilters(vec!["a/*".to_owned()])),
        sample!("up.recalled", Up, Up::Recalled { jid: jid(), envelope: Some(envelope()) }),
        sample!("up.steps", Up, Up::Steps { jid: jid(), steps: Steps { done: 3, total: 300, failed: 1 } }),
        sample!("request.roots-rule", Request, Request::RootsRule),
        sample!("request.pillar", Request, pillar),
        sample!("request.mine-give", Request, Request::MineGive(json("{}"))),
        sample!("request.mine-export", Request, Request::MineExport(mine_export())),
        sample!("request.mine-get", Request, Request::MineGet(mine_question())),
        sample!("request.own-runs", Request, Request::OwnRuns(vec![own_run()])),
        sample!("answer.done", Answer, Answer::Done),
        sample!("answer.mine", Answer, Answer::Mine(json("{}"))),
        sample!("answer.roots-rule", Answer, Answer::RootsRule("layout base\n".to_owned())),
        sample!("answer.pillar", Answer, Answer::Pillar(json("{}"))),
        sample!("up.ledger.held", Up, Up::Ledger(held())),
        sample!("down.assign", Down, Down::Assign { envelope: envelope(), terms }),
        sample!("down.warranted", Down, Down::Warranted { envelope: envelope(), terms, warrant: Box::new(warrant()) }),
        sample!("down.release", Down, Down::Release { jid: jid(), release: release() }),
        sample!("down.halt", Down, Down::Halt { jid: jid(), halt: halt() }),
        sample!("down.recall", Down, Down::Recall { jid: jid() }),
        sample!("down.turn", Down, Down::Turn { envelope: envelope(), until: 300 }),
        sample!("record.job-plan", Record, entry(PlanRecord::Terms(terms))),
        sample!("plan.terms", PlanRecord, PlanRecord::Terms(terms)),
        sample!("plan.plan", PlanRecord, PlanRecord::Plan(plan(check))),
        sample!("plan.plan.pause", PlanRecord, PlanRecord::Plan(plan(Between::Pause(300)))),
        sample!("plan.begun", PlanRecord, PlanRecord::Begun { expected: 300 }),
        sample!("plan.released", PlanRecord, PlanRecord::Released(release())),
        sample!("plan.stage", PlanRecord, PlanRecord::Stage(1)),
        sample!("plan.stage-over", PlanRecord, PlanRecord::StageOver { stage: 1, at: 300 }),
        sample!("plan.halted", PlanRecord, PlanRecord::Halted(halt())),
        sample!("plan.turned-down", PlanRecord, PlanRecord::TurnedDown(release().who)),
        sample!("plan.warrant", PlanRecord, PlanRecord::Warrant(warrant())),
        sample!("record.job-untold", Record, Record::JobUntold { jid: jid(), untold: true }),
        sample!("record.undelivered", Record, undelivered(Some(KeyDecision::Deny))),
        sample!("record.undelivered.over", Record, undelivered(None)),
        sample!("run.returned", RunRecord, run(RunOutcome::Returned { retcode: 1, value: json("{}") })),
        sample!("run.lost", RunRecord, run(RunOutcome::Lost(reason(ReasonCode::Interrupted)))),
        sample!("up.owned", Up, Up::Owned { jid: jid(), owner, rollout: vec![PlanRecord::Terms(terms)] }),
        sample!("down.own", Down, Down::Own { jid: jid(), owner }),
        sample!("down.plan", Down, Down::Plan { jid: jid(), owner, plan: vec![PlanRecord::Stage(1)] }),
        sample!("down.grant", Down, Down::Grant { jid: jid(), owner, release: release() }),
        sample!("plan.owned", PlanRecord, PlanRecord::Owned(owner)),
        sample!("up.witness", Up, Up::Witness { top: owner.hub, away_ms: Some(300), tops: vec![owner.hub] }),
        sample!("down.witness", Down, Down::Witness { top: owner.hub }),
        sample!("up.inquired", Up, Up::Inquired { jid: jid(), findings: vec![finding()] }),
        sample!("down.inquire", Down, Down::Inquire { envelope: envelope(), warrant: Some(Box::new(warrant())), within_ms: 300 }),
    ]
}
