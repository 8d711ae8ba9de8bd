//! Texts of peers and operators: target expressions, YAML, values that a minion returned.

use output::{Form, Rendering, Report, Style, is_visible};
use serde_json::Value;
use targeting::{Facts, Kind, Nodegroups, Target};
use wire::control::{Ledger, LedgerRow, Progress};
use wire::{Counts, Jid, OutcomeKind};

use crate::script::Script;
use crate::words::json;

/// One minion to match with.
struct Minion {
    grains: Option<Value>,
    /// As strange as the grains.
    pillar: Option<Value>,
}

impl Facts for Minion {
    fn id(&self) -> &str {
        "web1.example"
    }
    fn path(&self) -> &str {
        "eu/ams"
    }
    fn grains(&self) -> Option<&Value> {
        self.grains.as_ref()
    }
    fn pillar(&self) -> Option<&Value> {
        self.pillar.as_ref()
    }
}

/// A target of any kind, and grains of a minion that are as strange: its own form is as good as what was typed.
pub(crate) fn targets(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let kind = script.one_of(&[
        Kind::Compound,
        Kind::Glob,
        Kind::Pcre,
        Kind::List,
        Kind::Grain,
        Kind::GrainPcre,
        Kind::Nodegroup,
        Kind::Site,
        Kind::Ipcidr,
        Kind::Pillar,
        Kind::PillarPcre,
    ]);
    let grains = match script.below(4) {
        0 => None,
        1 => serde_json::from_slice(script.bytes()).ok(),
        _ => serde_json::from_str(
            r#"{"os":"Debian","a":{"b":["c",1,null,true]},"ipv4":["127.0.0.1","10.1.2.3"],"ipv6":["fd00::1"]}"#,
        ).ok(),
    };
    let Ok(text) = std::str::from_utf8(script.rest()) else {
        return;
    };
    let groups = Nodegroups::default();
    let target = match Target::parse(kind, text, &groups, ':') {
        Ok(target) => target,
        Err(errors) => {
            let shown = errors.render(text);
            assert!(!shown.is_empty());
            return;
        }
    };
    let compound = target.to_compound();
    let again = Target::parse(Kind::Compound, &compound, &groups, ':');
    let again = again.unwrap_or_else(|errors| panic!("{compound:?}: {}", errors.render(&compound)));
    assert_eq!(again.to_compound(), compound);
    assert_eq!(again.literal_ids(), target.literal_ids());
    let pillar = grains.clone().filter(|_| text.len() % 2 == 0);
    let minion = Minion { grains, pillar };
    let verdict = target.matches(&minion);
    assert!(target.needs_pillar() || !target.searches_pillar());
    assert_eq!(again.matches(&minion), verdict, "{text:?} as {compound:?}");
    // Of a choice by ids both halves are the target, and each minion is in one of them.
    let id = || [minion.id().to_owned()];
    assert_eq!(target.clone().among(id()).matches(&minion), verdict);
    let without = target.clone().without(id());
    assert_eq!(without.matches(&minion), targeting::Verdict::No);
    let others = target.clone().without(["another".to_owned()]);
    assert_eq!(others.matches(&minion), verdict);
    // A hub that skips a subtree skips nobody who matches.
    let is_below = target.may_match_below("eu") && target.may_match_below("eu/ams");
    assert!(
        is_below || verdict == targeting::Verdict::No,
        "{compound:?}"
    );
}

/// A document, and the same text as an argument of a function.
pub(crate) fn yaml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    yaml::parse_argument(text);
    if let Ok(value) = yaml::parse(text) {
        let written = yaml::emit(&value);
        let again = yaml::parse(&written);
        let again = again.unwrap_or_else(|error| panic!("{error}: {written:?}"));
        assert_eq!(again, value, "{written:?}");
    }
}

/// Words after a function, with a zero byte between them: what each of them says does not depend on the others.
pub(crate) fn arguments(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let words: Vec<String> = text.split('\0').map(str::to_owned).collect();
    let (positional, named) = yaml::parse_arguments(&words);
    let mut alone = (Vec::new(), serde_json::Map::new());
    for word in &words {
        let (mut one, of_name) = yaml::parse_arguments(std::slice::from_ref(word));
        assert_eq!(one.len() + of_name.len(), 1, "{word:?}");
        for (name, value) in of_name {
            assert!(word.starts_with(&format!("{name}=")), "{word:?}");
            alone.1.insert(name, value);
        }
        alone.0.append(&mut one);
    }
    assert_eq!((positional, named), alone, "{words:?}");
}

/// What a minion returned, and why another did not, in each form in which people see it.
pub(crate) fn values(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut reason = script.reason();
    reason.text = String::from_utf8_lossy(script.bytes()).into_owned();
    let value: wire::Json = script.rest().into();
    let row = |id: &str, kind| LedgerRow {
        id: id.to_owned(),
        path: String::new(),
        kind,
        retcode: None,
        value: None,
        started: None,
        duration_ms: None,
        reason: None,
    };
    let ledger = Ledger {
        progress: Progress {
            jid: jid(),
            complete: true,
            finished: true,
            counts: Counts {
                expected: 2,
                ok: 1,
                lost: 1,
                ..Counts::default()
            },
            sites: Vec::new(),
            rollout: None,
            steps: None,
        },
        fun: "test.ping".to_owned(),
        args: json("[]"),
        kwargs: json("{}"),
        target: "*".to_owned(),
        user: "root".to_owned(),
        origin: "top".to_owned(),
        roots: None,
        issued: 0,
        finished: Some(1),
        minions: vec![
            LedgerRow {
                value: Some(0),
                retcode: Some(0),
                ..row("a", OutcomeKind::Ok)
            },
            LedgerRow {
                reason: Some(reason),
                ..row("b", OutcomeKind::Lost)
            },
        ],
        values: vec![value],
        unknown: Vec::new(),
        undecided: Vec::new(),
        owner: None,
    };
    let report = Report::new(&ledger);
    for form in [
        Form::Nested,
        Form::Json,
        Form::Yaml,
        Form::Txt,
        Form::Raw,
        Form::Ledger,
        Form::Group,
        Form::Highstate,
    ] {
        for one_document in [false, true] {
            let rendering = Rendering {
                form,
                one_document,
                style: Style::PLAIN,
                yaml: yaml::emit,
                states: output::States::default(),
                indent: None,
            };
            let text = output::render(&report, &rendering);
            let hidden = text
                .chars()
                .find(|c| !is_visible(*c) && !"\n\t".contains(*c));
            assert_eq!(hidden, None, "{form:?}: {text:?}");
        }
    }
}

fn jid() -> Jid {
    "20261122223719000100".parse().expect("a jid")
}
