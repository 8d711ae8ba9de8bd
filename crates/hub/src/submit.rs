//! From what an operator asks to a signed order: targets parsed, rights checked, jid given.

use std::sync::{Arc, Mutex, PoisonError};

use pki::{JobKey, TrustStore};
use relay::{Hub, RosterView};
use targeting::{Kind, Nodegroups, Target, Verdict};
use wire::control::{Failure, FailureKind, RunAsk};
use wire::trust::Signer;
use wire::{
    Jid, JidClock, JobEnvelope, JobOptions, JobOrder, NodeId, RunTarget, SitePath, TreeId, Uid,
    UnixMillis, Warrant, limits,
};

use crate::undecided::Decided;

/// A job is kept so long for minions that are down, at most: minions remember every start for as long.
const HOLD_MS_MAX: u64 = 30 * 86_400_000;
/// A rollout may take so long; who has not had its turn by then does not get it.
const ROLLOUT_MS: u64 = 7 * 86_400_000;

/// What a hub needs to order jobs.
pub struct JobDesk {
    /// The tree.
    pub tree: TreeId,
    /// This hub's key.
    pub uid: Uid,
    /// Its label.
    pub id: NodeId,
    /// Its site.
    pub path: SitePath,
    /// Nodegroups of its configuration.
    pub nodegroups: Nodegroups,
    key: JobKey,
    trust: Arc<Mutex<TrustStore>>,
    jids: Mutex<Option<JidClock>>,
    last_jid_ms: UnixMillis,
    start_within_ms: u64,
}

/// Whom a job is for.
#[derive(Debug, Clone)]
pub struct Aim {
    /// The minions that are meant.
    pub target: Target,
    /// The site within which this hub may order.
    pub scope: SitePath,
    /// What pillars of this hub's own minions decide of the target.
    pub decided: Decided,
}

impl Aim {
    /// The minions that are meant, and those for which what is known here does not decide it, in order of number.
    pub fn meant<'a>(
        &'a self,
        hub: &'a Hub,
    ) -> impl Iterator<Item = (RosterView<'a>, Verdict)> + 'a {
        hub.meant(&self.target, &self.scope)
            .map(|(node, verdict)| (node, self.decided.verdict(node, verdict)))
            .filter(|(_, verdict)| *verdict != Verdict::No)
    }

    /// How many are meant, and for how many what is known here does not decide it.
    pub fn counts(&self, hub: &Hub) -> (u64, u64) {
        self.meant(hub)
            .fold((0, 0), |(yes, unknown), (_, verdict)| match verdict {
                Verdict::Yes => (yes + 1, unknown),
                Verdict::Unknown | Verdict::No => (yes, unknown + 1),
            })
    }
}

/// Kinds of targets as the control socket names them.
pub const TARGET_KINDS: [(&str, Kind); 11] = [
    ("glob", Kind::Glob),
    ("pcre", Kind::Pcre),
    ("list", Kind::List),
    ("grain", Kind::Grain),
    ("grain-pcre", Kind::GrainPcre),
    ("compound", Kind::Compound),
    ("nodegroup", Kind::Nodegroup),
    ("site", Kind::Site),
    ("ipcidr", Kind::Ipcidr),
    ("pillar", Kind::Pillar),
    ("pillar-pcre", Kind::PillarPcre),
];

fn usage(text: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Usage, text)
}

pub(crate) fn refused(text: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Refused, text)
}

impl JobDesk {
    /// A desk with this job key; `last_jid_ms` is the time of the last jid that it gave before a restart,
    /// `start_within_ms` how long minions have to start a job that does not say.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        tree: TreeId,
        uid: Uid,
        id: NodeId,
        path: SitePath,
        nodegroups: Nodegroups,
        key: JobKey,
        trust: Arc<Mutex<TrustStore>>,
        last_jid_ms: UnixMillis,
        start_within_ms: u64,
    ) -> Self {
        JobDesk {
            tree,
            uid,
            id,
            path,
            nodegroups,
            key,
            trust,
            jids: Mutex::new(None),
            last_jid_ms,
            start_within_ms,
        }
    }

    /// The site within which this hub may order jobs at `now`; None when it may not.
    pub fn scope(&self, now: UnixMillis) -> Option<SitePath> {
        let trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        let signer = trust.signer(&self.key.public().uid())?;
        (signer.expires == 0 || now < signer.expires).then(|| signer.scope.clone())
    }

    /// Whom a job would be for by its target and site.
    ///
    /// # Errors
    /// [`Failure`] in the operator's words: a target that does not parse (with its place), or no right to order anything.
    pub fn aim(&self, ask: &RunAsk, now: UnixMillis) -> Result<Aim, Failure> {
        let target = self.target(ask)?;
        if !ask.fun.is_empty() {
            check_function(&ask.fun)?;
        }
        let trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        let scope = self.right(&trust, now)?.scope.clone();
        Ok(Aim {
            target,
            scope,
            decided: Decided::default(),
        })
    }

    /// This hub's right to order jobs.
    fn right<'t>(&self, trust: &'t TrustStore, now: UnixMillis) -> Result<&'t Signer, Failure> {
        let Some(signer) = trust.signer(&self.key.public().uid()) else {
            return Err(refused(
                "this hub may not order jobs: its job key is in no trust bundle. A top-master grants it with \
                 `top-master delegate SYNDIC --functions FUN,...`",
            ));
        };
        if signer.expires != 0 && now >= signer.expires {
            return Err(refused(
                "this hub's right to order jobs has expired; a top-master can grant it again",
            ));
        }
        Ok(signer)
    }

    /// An id that no job of this hub has or gets; None where it may order none.
    pub(crate) fn next_jid(&self, now: UnixMillis) -> Option<Jid> {
        let trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        let signer = self.right(&trust, now).ok()?;
        Some(self.jid_of(signer, now))
    }

    fn jid_of(&self, signer: &Signer, now: UnixMillis) -> Jid {
        let mut jids = self.jids.lock().unwrap_or_else(PoisonError::into_inner);
        let jids = jids.get_or_insert_with(|| JidClock::new(signer.number, self.last_jid_ms));
        jids.next(now)
    }

    /// Checks what is asked and signs it, for whom [`JobDesk::aim`] said or for some of them. `roots` is the roots state that the job pins, resolved by the caller; people read
    /// `typed` for the target, or the target itself.
    ///
    /// # Errors
    /// [`Failure`] in the operator's words: a bad function name, arguments over the limit, or no right to order this.
    pub fn order(
        &self,
        ask: &RunAsk,
        target: &Target,
        typed: Option<String>,
        roots: Option<String>,
        now: UnixMillis,
    ) -> Result<(JobEnvelope, Arc<JobOrder>), Failure> {
        let trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        let order = self.draft(&trust, ask, target, typed, roots, now)?;
        let envelope = self.key.sign(&order).map_err(|e| usage(e.to_string()))?;
        // What minions would refuse is refused here, before anything is written.
        let order = trust
            .verify(&envelope, now)
            .map_err(|e| refused(e.to_string()))?;
        Ok((envelope, order))
    }

    /// As [`JobDesk::order`], signed so that sites say how it would fare and nobody runs it.
    ///
    /// # Errors
    /// As [`JobDesk::order`].
    pub fn inquiry(
        &self,
        ask: &RunAsk,
        target: &Target,
        roots: Option<String>,
        now: UnixMillis,
    ) -> Result<(JobEnvelope, Arc<JobOrder>), Failure> {
        let trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        let order = self.draft(&trust, ask, target, None, roots, now)?;
        let signed = self.key.sign_inquiry(&order);
        let envelope = signed.map_err(|e| usage(e.to_string()))?;
        let order = trust
            .verify_inquiry(&envelope, now)
            .map_err(|e| refused(e.to_string()))?;
        Ok((envelope, order))
    }

    /// What is asked as an order, checked as far as its text goes.
    fn draft(
        &self,
        trust: &TrustStore,
        ask: &RunAsk,
        target: &Target,
        typed: Option<String>,
        roots: Option<String>,
        now: UnixMillis,
    ) -> Result<JobOrder, Failure> {
        if ask.hold_ms == Some(0) {
            return Err(usage("a job that is kept for no time is kept for nobody"));
        }
        if ask.hold_ms.is_some_and(|hold| hold > HOLD_MS_MAX) {
            return Err(usage(format!(
                "a job can be kept for {} days at most",
                HOLD_MS_MAX / 86_400_000
            )));
        }
        if ask.args.len() + ask.kwargs.len() > limits::MAX_ARGUMENTS {
            return Err(usage(format!(
                "the arguments have {} bytes, the limit is {}",
                ask.args.len() + ask.kwargs.len(),
                limits::MAX_ARGUMENTS
            )));
        }
        check_function(&ask.fun)?;
        check_calls(ask)?;
        let signer = self.right(trust, now)?;
        Ok(JobOrder {
            tree: self.tree,
            jid: self.jid_of(signer, now),
            origin: self.uid,
            origin_id: self.id.clone(),
            scope: signer.scope.clone(),
            user: ask.user.clone(),
            target: RunTarget {
                compound: target.to_compound(),
                typed: typed.unwrap_or_else(|| self::typed(ask)),
            },
            fun: ask.fun.clone(),
            args: ask.args.clone(),
            kwargs: ask.kwargs.clone(),
            issued: now,
            start_by: now.saturating_add(match (ask.hold_ms, &ask.plan, ask.start_within_ms) {
                (Some(hold), ..) => hold,
                (None, Some(_), _) => ROLLOUT_MS,
                (None, None, 0) => self.start_within_ms,
                (None, None, asked) => asked,
            }),
            options: JobOptions {
                // A place in a rollout can be given to the next one only when the run is surely over.
                run_ms_max: ask
                    .run_ms_max
                    .or_else(|| ask.plan.as_ref().map(|_| relay::BATCH_RUN_MS)),
                roots,
            },
        })
    }

    /// Signs what this hub says of who asked: his groups, and the reason for which the job may pass over the rules of sites.
    ///
    /// # Errors
    /// [`Failure`] when the reason is too long.
    pub fn warrant(
        &self,
        jid: Jid,
        groups: Vec<String>,
        reason: Option<&str>,
    ) -> Result<Warrant, Failure> {
        let most = limits::MAX_REASON;
        if reason.is_some_and(|reason| reason.chars().count() > most) {
            return Err(usage(format!(
                "the reason of `--override` has at most {most} characters"
            )));
        }
        let signed = self
            .key
            .sign_warrant(jid, groups, reason.map(str::to_owned));
        signed.map_err(|e| usage(e.to_string()))
    }

    /// Whether a warrant was signed by who signed the order.
    pub fn vouches(&self, envelope: &JobEnvelope, jid: Jid, warrant: &Warrant) -> bool {
        let trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        trust.vouches(&envelope.signer, jid, warrant)
    }

    /// Whether an inquiry of a hub above is signed by one who may order what it asks about.
    ///
    /// # Errors
    /// Why not.
    pub fn check_inquiry(&self, envelope: &JobEnvelope, now: UnixMillis) -> Result<(), String> {
        let trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        let verified = trust.verify_inquiry(envelope, now);
        verified.map(|_| ()).map_err(|e| e.to_string())
    }

    /// The target that is asked for, whoever may order anything there.
    ///
    /// # Errors
    /// One that does not parse, with its place.
    pub(crate) fn target(&self, ask: &RunAsk) -> Result<Target, Failure> {
        if ask.target.trim().is_empty() {
            return Err(usage("the target is empty; '*' means every minion"));
        }
        let kind = target_kind(&ask.target_kind)
            .ok_or_else(|| usage(format!("unknown kind of target {:?}", ask.target_kind)))?;
        let parse = |kind, text: &str| {
            Target::parse(kind, text, &self.nodegroups, ask.delimiter).map_err(|errors| {
                usage(format!(
                    "the target does not parse:\n{}",
                    errors.render(text)
                ))
            })
        };
        let target = parse(kind, &ask.target)?;
        match &ask.site {
            Some(site) => Ok(target.within(&parse(Kind::Site, site)?)),
            None => Ok(target),
        }
    }
}

/// The kind of target that has this name.
pub(crate) fn target_kind(name: &str) -> Option<Kind> {
    let kind = TARGET_KINDS.iter().find(|(known, _)| *known == name);
    kind.map(|(_, kind)| *kind)
}

/// A target as people read it back.
pub(crate) fn typed(ask: &RunAsk) -> String {
    let mut text = match ask.target_kind.as_str() {
        "glob" => ask.target.clone(),
        kind => format!("{kind}: {}", ask.target),
    };
    if let Some(site) = &ask.site {
        text.push_str(&format!(" (site {site})"));
    }
    let words = crate::choice::in_words(&ask.choice);
    if !words.is_empty() {
        text.push_str(&format!(" ({words})"));
    }
    if let Some(number) = ask.choice.subset {
        text.push_str(&format!(" ({number} at random)"));
    }
    text
}

/// Functions in one job, at most.
const FUNCTIONS_MAX: usize = 64;

fn check_function(fun: &str) -> Result<(), Failure> {
    if fun.contains(',') {
        let count = wire::functions(fun).count();
        if count > FUNCTIONS_MAX {
            return Err(usage(format!(
                "one job has at most {FUNCTIONS_MAX} functions, and these are {count}"
            )));
        }
        return wire::functions(fun).try_for_each(check_function);
    }
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    match fun.split_once('.') {
        Some((module, name)) if word(module) && word(name) => Ok(()),
        _ => Err(usage(format!(
            "{fun:?} is no function: functions are MODULE.NAME, for example test.ping"
        ))),
    }
}

/// Several functions have a list of arguments each.
fn check_calls(ask: &RunAsk) -> Result<(), Failure> {
    let count = wire::functions(&ask.fun).count();
    if count == 1 {
        return Ok(());
    }
    let lists: Result<Vec<Vec<serde_json::Value>>, _> = serde_json::from_slice(&ask.args);
    let has_keywords = ask.kwargs.as_ref() != b"{}";
    match lists {
        Ok(lists) if lists.len() == count && !has_keywords => Ok(()),
        _ => Err(usage(format!(
            "{}: {count} functions in one job need {count} lists of arguments",
            ask.fun
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::{FUNCTIONS_MAX, check_calls, check_function};
    use wire::control::RunAsk;

    #[test]
    fn several_functions_have_a_list_each() {
        let check = |fun: &str, args: &str, kwargs: &str| {
            let ask = RunAsk {
                fun: fun.to_owned(),
                args: args.as_bytes().into(),
                kwargs: kwargs.as_bytes().into(),
                ..RunAsk::of("root".to_owned())
            };
            check_function(fun).and_then(|()| check_calls(&ask)).is_ok()
        };
        assert!(check("test.ping,cmd.run", r#"[[], ["id"]]"#, "{}"));
        assert!(!check("test.ping,cmd.run", r#"["id"]"#, "{}"));
        assert!(!check("test.ping,cmd.run", "[[]]", "{}"));
        assert!(!check("test.ping,cmd.run", "[[], []]", r#"{"x": 1}"#));
        assert!(!check("test.ping,", "[[], []]", "{}"));
        let many = vec!["test.ping"; FUNCTIONS_MAX + 1].join(",");
        assert!(check_function(&many).is_err());
    }

    #[test]
    fn functions_are_module_and_name() {
        for good in ["test.ping", "cmd.run_all", "x509.a"] {
            assert!(check_function(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "test",
            "test.",
            ".ping",
            "a.b.c",
            "test.ping;ls",
            "te st.ping",
            "test.pïng",
        ] {
            assert!(check_function(bad).is_err(), "{bad}");
        }
    }
}
