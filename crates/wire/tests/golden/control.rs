//! What a command line and the daemon on its host say to each other, as far as it is the same in each release since the first.

use wire::call::{CallAsk, CallEnd, CallRun, CallTell};
use wire::control::{
    Ask, Failure, FailureKind, HubRow, Identity, KeyRow, MinionCounts, MinionRow, RootsRow,
    SiteRow, Tell, TokenRow, Tree,
};
use wire::{KeyDecision, Presence, Role, Standing, Steps};

use crate::messages::{jid, roots};
use crate::records::summary;
use crate::{Sample, sample};

fn text(text: &str) -> String {
    text.to_owned()
}

fn tree() -> Tree {
    let counts = MinionCounts {
        accepted: 6,
        up: 1,
        down: 2,
        cut_off: 3,
        pending: 4,
    };
    Tree {
        id: text("top"),
        path: String::new(),
        software: text("0.1.0"),
        as_of: 300,
        totals: counts,
        sites: vec![SiteRow {
            path: text("eu"),
            hubs: vec![HubRow {
                id: text("eu-hub"),
                presence: Presence::Up,
                since: 5,
                software: text("0.1.0"),
            }],
            counts,
            cut_since: Some(4),
        }],
        minions: vec![MinionRow {
            id: text("web1"),
            path: text("eu"),
            state: text("up"),
            since: 5,
            software: text("0.1.0"),
        }],
    }
}

/// A question must not be taken for another one. `Ask::Run` and its answers grow with each release; there the other side refuses.
#[rustfmt::skip] // A table is read in rows.
pub fn control() -> Vec<Sample> {
    let user = || text("root");
    let decide = Ask::Decide { ids: vec![text("web*")], standings: vec![Standing::Pending], decision: KeyDecision::Accept, user: user() };
    let token = Ask::TokenCreate { role: Role::Minion, ids: vec![text("web*")], ttl_s: 900, uses: 1 };
    let delegate = Ask::Delegate { syndic: text("ams-hub"), functions: vec![text("test.*")], ttl_s: 3_600 };
    let key = KeyRow { id: text("web1"), role: Role::Minion, path: text("eu"), standing: Standing::Rejected, fingerprint: text("ab:cd") };
    let grant = TokenRow { name: text("t"), role: Role::Minion, ids: vec![], expires: 300, uses_left: 2 };
    let roots_row = RootsRow { id: text("top"), path: String::new(), report: roots(), presence: Presence::Down };
    let identity = Identity {
        id: text("top"), role: Role::TopMaster, path: String::new(), software: text("0.1.0"),
        tree_fingerprint: text("ab"), fingerprint: text("cd"), trust_version: 4, job_scope: Some(String::new()),
    };
    let failed = |kind| Tell::Failed(Failure { kind, text: text("why") });
    vec![
        sample!("ask.watch", Ask, Ask::Watch { jid: jid() }),
        sample!("ask.show", Ask, Ask::Show { jid: jid() }),
        sample!("ask.jobs", Ask, Ask::Jobs { limit: 20 }),
        sample!("ask.cancel", Ask, Ask::Cancel { jid: jid(), user: user() }),
        sample!("ask.tree", Ask, Ask::Tree { minions: true }),
        sample!("ask.keys", Ask, Ask::Keys),
        sample!("ask.decide", Ask, decide),
        sample!("ask.token-create", Ask, token),
        sample!("ask.token-list", Ask, Ask::TokenList),
        sample!("ask.token-revoke", Ask, Ask::TokenRevoke { name: text("t") }),
        sample!("ask.roots", Ask, Ask::Roots),
        sample!("ask.roots-update", Ask, Ask::RootsUpdate { accept_rewind: true, wait_ms: 30_000 }),
        sample!("ask.delegate", Ask, delegate),
        sample!("ask.identity", Ask, Ask::Identity),
        sample!("tell.accepted", Tell, Tell::Accepted { jid: jid(), wait_ms: Some(300) }),
        sample!("tell.jobs", Tell, Tell::Jobs(vec![summary()])),
        sample!("tell.tree", Tell, Tell::Tree(Box::new(tree()))),
        sample!("tell.keys", Tell, Tell::Keys(vec![key])),
        sample!("tell.token", Tell, Tell::Token { token: text("secret"), name: text("t"), expires: 300 }),
        sample!("tell.tokens", Tell, Tell::Tokens(vec![grant])),
        sample!("tell.roots", Tell, Tell::Roots(vec![roots_row])),
        sample!("tell.identity", Tell, Tell::Identity(Box::new(identity))),
        sample!("tell.done", Tell, Tell::Done),
        sample!("tell.failed.usage", Tell, failed(FailureKind::Usage)),
        sample!("tell.failed.not-found", Tell, failed(FailureKind::NotFound)),
        sample!("tell.failed.refused", Tell, failed(FailureKind::Refused)),
        sample!("tell.failed.internal", Tell, failed(FailureKind::Internal)),
    ]
}

/// The same of a call and the minion of its host: a call of one release may meet the daemon of another while that still runs.
#[rustfmt::skip] // A table is read in rows.
pub fn call() -> Vec<Sample> {
    let json = |text: &str| text.as_bytes().into();
    let run = CallRun { id: text("web1"), fun: text("test.echo"), args: json("[1]"), kwargs: json("{}"), is_told: true };
    let end = CallEnd { retcode: 2, success: false, started: 300 };
    let failure = Failure { kind: FailureKind::Refused, text: text("why") };
    vec![
        sample!("call-ask.run", CallAsk, CallAsk::Run(run)),
        sample!("call-ask.who", CallAsk, CallAsk::Who),
        sample!("call-tell.begun", CallTell, CallTell::Begun { jid: jid() }),
        sample!("call-tell.steps", CallTell, CallTell::Steps(Steps { done: 1, total: 3, failed: 0 })),
        sample!("call-tell.part", CallTell, CallTell::Part(json("[1"))),
        sample!("call-tell.ended", CallTell, CallTell::Ended(end)),
        sample!("call-tell.failed", CallTell, CallTell::Failed(failure)),
        sample!("call-tell.who", CallTell, CallTell::Who { is_daemon: true, pid: 7 }),
    ]
}
