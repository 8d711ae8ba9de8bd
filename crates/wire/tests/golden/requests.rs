//! What is asked and answered on request streams.

use wire::Role;
use wire::enrol::{Credentials, EnrolAnswer, EnrolRequest};
use wire::files::{Answer, FileEntry, Request};

use crate::messages::{json, roots};
use crate::{Sample, sample};

fn text(text: &str) -> String {
    text.to_owned()
}

fn enrol() -> EnrolRequest {
    EnrolRequest {
        id: "ams-hub".parse().expect("an id"),
        role: Role::Syndic,
        site: text("ams"),
        link_csr: vec![1, 2],
        ca_csr: vec![3],
        token: Some(text("t.secret")),
        software: text("0.1.0"),
    }
}

fn credentials() -> Credentials {
    Credentials {
        link_chain: vec![vec![1], vec![2]],
        ca_chain: vec![vec![3]],
        trust: json("bundle"),
    }
}

#[rustfmt::skip] // A table is read in rows.
pub fn requests() -> Vec<Sample> {
    let state = || Some(roots().commit);
    let (env, path) = (|| text("base"), || text("motd"));
    let file = || FileEntry { path: path(), size: 300, executable: true, sha256: text("ab"), blob: text("cd") };
    let pack = Answer::Pack { state: text("{}"), size: 70_000 };
    vec![
        sample!("request.enrol", Request, Request::Enrol(enrol())),
        sample!("request.stat", Request, Request::Stat { roots: state(), env: env(), path: path() }),
        sample!("request.list", Request, Request::List { roots: None, env: env(), prefix: path() }),
        sample!("request.environments", Request, Request::Environments { roots: state() }),
        sample!("request.content", Request, Request::Content { roots: state(), env: env(), path: path(), offset: 70_000 }),
        sample!("request.pack", Request, Request::Pack { want: state(), have: vec![roots().commit] }),
        sample!("answer.enrol", Answer, Answer::Enrol(Box::new(EnrolAnswer::Accepted(credentials())))),
        sample!("answer.stat", Answer, Answer::Stat(Some(file()))),
        sample!("answer.list", Answer, Answer::List { entries: vec![file()], cut: true }),
        sample!("answer.environments", Answer, Answer::Environments(vec![env()])),
        sample!("answer.content", Answer, Answer::Content { size: 70_000 }),
        sample!("answer.pack", Answer, pack),
        sample!("answer.refused", Answer, Answer::Refused(text("why"))),
        sample!("enrol.pending", EnrolAnswer, EnrolAnswer::Pending { retry_after_s: 25 }),
        sample!("enrol.accepted", EnrolAnswer, EnrolAnswer::Accepted(credentials())),
        sample!("enrol.refused", EnrolAnswer, EnrolAnswer::Refused(text("why"))),
    ]
}
