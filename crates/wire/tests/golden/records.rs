//! What is kept on disk.

use wire::control::JobSummary;
use wire::record::{JobHead, JournalRecord, NodeRecord, Record};
use wire::trust::{SignedBundle, Signer, TrustBundle};
use wire::{Counts, ReasonCode, Role, RosterMark, Standing, TreeId, Uid};

use crate::messages::{
    envelope, jid, json, ledger, link, reason, returned, revocation, roots, site,
};
use crate::{Sample, sample};

fn node() -> NodeRecord {
    NodeRecord {
        index: 300,
        uid: Uid([5; 16]),
        id: "ams-hub".parse().expect("an id"),
        role: Role::Syndic,
        path: site(),
        fingerprint: [6; 32],
        standing: Standing::Accepted,
        direct: true,
        via: vec![(Uid([9; 16]), 4)],
        link: link(),
        software: "0.1.0".to_owned(),
        grains: Some(json("{}")),
        roots: Some(roots()),
        job_key: Some([7; 32]),
    }
}

fn head() -> JobHead {
    JobHead {
        jid: jid(),
        envelope: envelope(),
        parents: vec![Uid([8; 16])],
        received: 300,
    }
}

fn counts() -> Counts {
    Counts {
        expected: 36,
        ok: 1,
        failed: 2,
        running: 3,
        queued: 4,
        unreachable: 5,
        lost: 6,
        refused: 7,
        expired: 8,
    }
}

pub fn summary() -> JobSummary {
    JobSummary {
        jid: jid(),
        fun: "test.ping".to_owned(),
        target: "web*".to_owned(),
        user: "root".to_owned(),
        origin: "top".to_owned(),
        issued: 251,
        finished: Some(252),
        counts: counts(),
    }
}

#[rustfmt::skip] // A table is read in rows.
pub fn records() -> Vec<Sample> {
    let mark = RosterMark { epoch: 7, revision: 9 };
    let state = Record::JobState { summary: Box::new(summary()), open: true };
    vec![
        sample!("record.epoch", Record, Record::Epoch(u64::MAX)),
        sample!("record.node", Record, Record::Node(Box::new(node()))),
        sample!("record.node-gone", Record, Record::NodeGone { index: 300 }),
        sample!("record.job", Record, Record::Job(Box::new(head()))),
        sample!("record.job-news", Record, Record::JobNews(ledger())),
        sample!("record.job-state", Record, state),
        sample!("record.revoked", Record, Record::Revoked(revocation())),
        sample!("record.child-mark", Record, Record::ChildMark { hub: Uid([9; 16]), mark }),
        sample!("record.trust", Record, Record::Trust(json("bundle"))),
        sample!("node", NodeRecord, node()),
        sample!("head", JobHead, head()),
        sample!("summary", JobSummary, summary()),
        sample!("journal.started", JournalRecord, JournalRecord::Started { jid: jid(), forget_after: 300 }),
        sample!("journal.returned", JournalRecord, JournalRecord::Returned(returned())),
        sample!("journal.not-run", JournalRecord, JournalRecord::NotRun { jid: jid(), reason: reason(ReasonCode::ConnectionLost) }),
        sample!("journal.settled", JournalRecord, JournalRecord::Settled { jid: jid() }),
    ]
}

/// Signed as bytes too.
pub fn trust() -> Vec<Sample> {
    let bundle = TrustBundle {
        tree: TreeId([1; 32]),
        version: 3,
        issued: 300,
        protocol_min: 1,
        signers: vec![Signer {
            signer: Uid([2; 16]),
            node: Uid([8; 16]),
            node_id: "top".to_owned(),
            number: 7,
            public_key: [10; 32],
            scope: site(),
            functions: vec!["*".to_owned()],
            expires: 0,
        }],
    };
    let signed = SignedBundle {
        bundle: json("bundle"),
        root_certificate: vec![1, 2, 3],
        signature: [3; 64],
    };
    vec![
        sample!("trust.bundle", TrustBundle, bundle),
        sample!("trust.signed", SignedBundle, signed),
    ]
}
