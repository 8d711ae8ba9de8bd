//! Orders: signed once by a job key, verified by every minion against the trust bundle.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use wire::trust::Signer;
use wire::{
    Jid, JobEnvelope, JobOrder, SIGNING_DOMAIN_INQUIRY, SIGNING_DOMAIN_JOB, SIGNING_DOMAIN_WARRANT,
    SitePath, Warrant, WarrantFor, codec,
};
use wire::{SignerId, UnixMillis};

use crate::TrustStore;
use crate::key::{JobKey, PublicKey};

/// How far the clocks of a signer and a minion may differ before an order is refused.
pub const ORDER_SKEW: Duration = Duration::from_secs(60);
const ORDER_SKEW_MILLIS: u64 = ORDER_SKEW.as_millis() as u64;

/// Orders whose signature is remembered. A process with many leaves sees one order once for each leaf, and few
/// orders at a time.
const VERIFIED_MAX: usize = 256;

impl JobKey {
    /// Signs an order.
    ///
    /// # Errors
    /// [`wire::codec::CodecError`] when the order does not fit into a frame.
    pub fn sign(&self, order: &JobOrder) -> Result<JobEnvelope, codec::CodecError> {
        self.sign_order(SIGNING_DOMAIN_JOB, order)
    }

    /// Signs an order that nobody is to run: hubs say how it would fare.
    ///
    /// # Errors
    /// As [`JobKey::sign`].
    pub fn sign_inquiry(&self, order: &JobOrder) -> Result<JobEnvelope, codec::CodecError> {
        self.sign_order(SIGNING_DOMAIN_INQUIRY, order)
    }

    fn sign_order(
        &self,
        domain: &[u8],
        order: &JobOrder,
    ) -> Result<JobEnvelope, codec::CodecError> {
        let order: wire::Json = codec::encode(order)?.into();
        Ok(JobEnvelope {
            signature: self.sign_in(domain, &order),
            signer: self.public().uid(),
            order,
        })
    }

    /// Signs what this hub says of who asked for a job: his groups, and why it may pass over rules of sites.
    ///
    /// # Errors
    /// [`wire::codec::CodecError`] when it does not fit into a frame.
    pub fn sign_warrant(
        &self,
        jid: Jid,
        groups: Vec<String>,
        reason: Option<String>,
    ) -> Result<Warrant, codec::CodecError> {
        let signed = warrant_bytes(jid, &groups, reason.as_deref())?;
        Ok(Warrant {
            signature: self.sign_in(SIGNING_DOMAIN_WARRANT, &signed),
            groups,
            reason,
        })
    }
}

fn warrant_bytes(
    jid: Jid,
    groups: &[String],
    reason: Option<&str>,
) -> Result<Vec<u8>, codec::CodecError> {
    codec::encode(&WarrantFor {
        jid,
        groups,
        reason,
    })
}

/// Why an order is not obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobRefusal {
    /// The bundle in force does not name this key; most likely it was removed, or the bundle here is old.
    #[error("the signer {0} is not in the trust bundle")]
    UnknownSigner(SignerId),
    /// The signature is wrong: the order was changed on its way, or forged.
    #[error("the signature of the order is wrong")]
    Signature,
    /// Signed, but no order.
    #[error("the order is malformed: {0}")]
    Malformed(String),
    /// For another tree.
    #[error("the order is for another tree")]
    OtherTree,
    /// The signer's delegation is over.
    #[error("the right of the signer {0} to order has ended")]
    SignerExpired(String),
    /// The order names another origin than the signer's node.
    #[error("the order names an origin that does not hold the signer's key")]
    ForeignOrigin,
    /// The last digits of the jid are not the signer's number.
    #[error("the jid is not of the signer's numbers")]
    ForeignJid,
    /// Wider than the signer may order.
    #[error("the order is for {order:?}, the signer may order in {signer:?} only")]
    OutOfScope {
        /// Scope of the order.
        order: SitePath,
        /// Scope of the signer.
        signer: SitePath,
    },
    /// A function that the signer may not order.
    #[error("the signer may not order {0}")]
    Function(String),
    /// Issued in the future by this node's clock.
    #[error("the order is issued {0} ms in the future: check the clocks")]
    Future(u64),
    /// Too late to start.
    #[error("the order came {0} ms too late to start")]
    Late(u64),
}

impl TrustStore {
    /// The order in an envelope, after every check: a known signer in force, its signature, the tree, the origin,
    /// the jid's number, the scope, the function, and the time. Whether the node itself is at or below
    /// `order.scope` and matches the target is the caller's to decide, and whether it has seen the jid before.
    ///
    /// # Errors
    /// [`JobRefusal`], with the first rule that the order breaks.
    pub fn verify(
        &self,
        envelope: &JobEnvelope,
        now: UnixMillis,
    ) -> Result<Arc<JobOrder>, JobRefusal> {
        let open = |key: &PublicKey| self.verified.open(key, envelope);
        self.verify_by(open, envelope, now)
    }

    /// The order of an inquiry, after the checks that an order itself would have to stand.
    ///
    /// # Errors
    /// As [`TrustStore::verify`].
    pub fn verify_inquiry(
        &self,
        envelope: &JobEnvelope,
        now: UnixMillis,
    ) -> Result<Arc<JobOrder>, JobRefusal> {
        let open = |key: &PublicKey| opened(SIGNING_DOMAIN_INQUIRY, key, envelope);
        self.verify_by(open, envelope, now)
    }

    /// `open` gives the order when it was signed by this key.
    fn verify_by(
        &self,
        open: impl FnOnce(&PublicKey) -> Result<Arc<JobOrder>, JobRefusal>,
        envelope: &JobEnvelope,
        now: UnixMillis,
    ) -> Result<Arc<JobOrder>, JobRefusal> {
        let signer = self
            .signer(&envelope.signer)
            .ok_or(JobRefusal::UnknownSigner(envelope.signer))?;
        let order = open(&PublicKey(signer.public_key))?;
        check(&order, signer, self.tree(), now)?;
        Ok(order)
    }

    /// Whether this warrant of a job was signed by the key that signed its order.
    pub fn vouches(&self, signer: &SignerId, jid: Jid, warrant: &Warrant) -> bool {
        let bytes = warrant_bytes(jid, &warrant.groups, warrant.reason.as_deref());
        let Ok(bytes) = bytes else { return false };
        self.signer(signer).is_some_and(|signer| {
            PublicKey(signer.public_key).verifies_in(
                SIGNING_DOMAIN_WARRANT,
                &bytes,
                &warrant.signature,
            )
        })
    }
}

/// Everything but the signature.
fn check(
    order: &JobOrder,
    signer: &Signer,
    tree: &wire::TreeId,
    now: UnixMillis,
) -> Result<(), JobRefusal> {
    if order.tree != *tree {
        return Err(JobRefusal::OtherTree);
    }
    if signer.expires != 0 && now >= signer.expires {
        return Err(JobRefusal::SignerExpired(signer.node_id.clone()));
    }
    if order.origin != signer.node {
        return Err(JobRefusal::ForeignOrigin);
    }
    if !order
        .jid
        .to_string()
        .ends_with(&format!("{:02}", signer.number))
    {
        return Err(JobRefusal::ForeignJid);
    }
    if !signer.scope.contains(&order.scope) {
        return Err(JobRefusal::OutOfScope {
            order: order.scope.clone(),
            signer: signer.scope.clone(),
        });
    }
    let is_allowed = |fun| {
        let mut patterns = signer.functions.iter();
        patterns.any(|pattern| allows(pattern, fun))
    };
    if !order.functions().all(is_allowed) {
        return Err(JobRefusal::Function(order.fun.clone()));
    }
    let latest_issue = now.saturating_add(ORDER_SKEW_MILLIS);
    if order.issued > latest_issue {
        return Err(JobRefusal::Future(order.issued - now));
    }
    if order.start_by.saturating_add(ORDER_SKEW_MILLIS) < now {
        return Err(JobRefusal::Late(now - order.start_by));
    }
    Ok(())
}

/// Whether a pattern of a delegation (`*`, `module.*`, `module.function`) allows a function.
fn allows(pattern: &str, function: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(module) => module.ends_with('.') && function.starts_with(module),
        None => pattern == function,
    }
}

/// The order in an envelope that this key signed in a domain.
fn opened(
    domain: &[u8],
    key: &PublicKey,
    envelope: &JobEnvelope,
) -> Result<Arc<JobOrder>, JobRefusal> {
    if !key.verifies_in(domain, &envelope.order, &envelope.signature) {
        return Err(JobRefusal::Signature);
    }
    let order = codec::decode(&envelope.order);
    let order = order.map_err(|e| JobRefusal::Malformed(e.to_string()))?;
    Ok(Arc::new(order))
}

/// Orders whose signature was right, by the hash of key, signature and bytes; the oldest goes first.
#[derive(Debug, Default)]
pub(crate) struct VerifiedOrders {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    orders: HashMap<[u8; 32], Arc<JobOrder>>,
    /// Oldest first.
    ages: VecDeque<[u8; 32]>,
}

impl VerifiedOrders {
    fn open(&self, key: &PublicKey, envelope: &JobEnvelope) -> Result<Arc<JobOrder>, JobRefusal> {
        let mut hash = Sha256::new();
        hash.update(key.0);
        hash.update(envelope.signature);
        hash.update(&envelope.order);
        let hash: [u8; 32] = hash.finalize().into();
        // The lock is held over the verification on purpose: leaves that get one order at the same time on
        // several threads then wait for one verification instead of repeating it.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let Memory { orders, ages } = &mut *memory;
        if let Some(order) = orders.get(&hash) {
            return Ok(order.clone());
        }
        let order = opened(SIGNING_DOMAIN_JOB, key, envelope)?;
        orders.insert(hash, order.clone());
        ages.push_back(hash);
        if ages.len() > VERIFIED_MAX
            && let Some(oldest) = ages.pop_front()
        {
            orders.remove(&oldest);
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, root};
    use crate::{TreeRoot, TrustEditor};
    use wire::{JidClock, JobOptions, RunTarget, Uid};

    const TOP: Uid = Uid([7; 16]);
    const SYNDIC: Uid = Uid([8; 16]);

    struct Case {
        root: TreeRoot,
        top: JobKey,
        syndic: JobKey,
        store: TrustStore,
    }

    fn case() -> Case {
        let (root, top, syndic) = (
            root(),
            JobKey::generate().unwrap(),
            JobKey::generate().unwrap(),
        );
        let mut editor = TrustEditor::new(&root, None).unwrap();
        editor
            .add_top(TOP, &"top".parse().unwrap(), &top.public())
            .unwrap();
        editor
            .delegate(
                SYNDIC,
                &"ams".parse().unwrap(),
                &syndic.public(),
                "eu/ams".parse().unwrap(),
                vec!["test.*".into(), "cmd.run".into()],
                NOW + 1_000_000,
            )
            .unwrap();
        let mut store = TrustStore::new(root.tree());
        store.accept(editor.sign(NOW).unwrap()).unwrap();
        Case {
            root,
            top,
            syndic,
            store,
        }
    }

    fn order(case: &Case) -> JobOrder {
        JobOrder {
            tree: case.root.tree(),
            jid: JidClock::new(0, 0).next(NOW),
            origin: TOP,
            origin_id: "top".parse().unwrap(),
            scope: SitePath::top(),
            user: "root".into(),
            target: RunTarget {
                compound: "*".into(),
                typed: "*".into(),
            },
            fun: "test.ping".into(),
            args: (*b"[]").into(),
            kwargs: (*b"{}").into(),
            issued: NOW,
            start_by: NOW + 60_000,
            options: JobOptions::default(),
        }
    }

    fn local_order(case: &Case) -> JobOrder {
        JobOrder {
            jid: JidClock::new(1, 0).next(NOW),
            origin: SYNDIC,
            scope: "eu/ams/r1".parse().unwrap(),
            ..order(case)
        }
    }

    #[test]
    fn a_good_order_comes_back_as_it_was() {
        let case = case();
        let envelope = case.top.sign(&order(&case)).unwrap();
        let first = case.store.verify(&envelope, NOW).unwrap();
        assert_eq!(*first, order(&case));
        let second = case.store.verify(&envelope, NOW).unwrap();
        assert!(Arc::ptr_eq(&first, &second), "verified once");
        let local = case.syndic.sign(&local_order(&case)).unwrap();
        assert!(case.store.verify(&local, NOW).is_ok());
    }

    #[test]
    fn each_flipped_byte_is_refused() {
        let case = case();
        let good = case.top.sign(&order(&case)).unwrap();
        // A warm cache must not help the forger.
        case.store.verify(&good, NOW).unwrap();
        for bit in 0..8 {
            for index in 0..good.order.len() {
                let mut bytes = good.order.to_vec();
                bytes[index] ^= 1 << bit;
                let bent = JobEnvelope {
                    order: bytes.into(),
                    ..good.clone()
                };
                assert_eq!(case.store.verify(&bent, NOW), Err(JobRefusal::Signature));
            }
        }
        for index in 0..64 {
            let mut bent = good.clone();
            bent.signature[index] ^= 1;
            assert_eq!(case.store.verify(&bent, NOW), Err(JobRefusal::Signature));
        }
        let foreign = JobEnvelope {
            signer: case.syndic.public().uid(),
            ..good.clone()
        };
        assert_eq!(case.store.verify(&foreign, NOW), Err(JobRefusal::Signature));
        let unknown = JobEnvelope {
            signer: Uid([0; 16]),
            ..good
        };
        assert_eq!(
            case.store.verify(&unknown, NOW),
            Err(JobRefusal::UnknownSigner(Uid([0; 16])))
        );
    }

    #[test]
    fn a_signature_for_another_use_is_no_order() {
        let case = case();
        let mut envelope = case.top.sign(&order(&case)).unwrap();
        envelope.signature = case.top.sign_in(b"banyan/other/v1\0", &envelope.order);
        assert_eq!(
            case.store.verify(&envelope, NOW),
            Err(JobRefusal::Signature)
        );
    }

    #[test]
    fn a_warrant_is_of_who_signed_the_order_and_for_one_job() {
        let case = case();
        let envelope = case.top.sign(&order(&case)).unwrap();
        let jid = order(&case).jid;
        let groups = vec!["ops".to_owned()];
        let warrant = |key: &JobKey, reason: Option<&str>| {
            key.sign_warrant(jid, groups.clone(), reason.map(str::to_owned))
                .unwrap()
        };
        let good = warrant(&case.top, Some("it burns"));
        let vouches =
            |signer: &Uid, jid, warrant: &Warrant| case.store.vouches(signer, jid, warrant);
        assert!(vouches(&envelope.signer, jid, &good));
        let another = JidClock::new(0, 0).next(NOW + 1);
        assert!(!vouches(&envelope.signer, another, &good));
        assert!(vouches(&envelope.signer, jid, &warrant(&case.top, None)));
        for changed in [
            Warrant {
                reason: Some("it does not".to_owned()),
                ..good.clone()
            },
            Warrant {
                reason: None,
                ..good.clone()
            },
            Warrant {
                groups: vec!["root".to_owned()],
                ..good.clone()
            },
            Warrant {
                groups: Vec::new(),
                ..good.clone()
            },
        ] {
            assert!(!vouches(&envelope.signer, jid, &changed), "{changed:?}");
        }
        // A hub on the way has a key of its own, and signs for nobody else.
        let forged = warrant(&case.syndic, Some("it burns"));
        assert!(!vouches(&envelope.signer, jid, &forged));
        assert!(!vouches(&Uid([0; 16]), jid, &good));
    }

    #[test]
    fn an_inquiry_is_no_order_and_an_order_no_inquiry() {
        let case = case();
        let order = order(&case);
        let inquiry = case.top.sign_inquiry(&order).unwrap();
        assert_eq!(*case.store.verify_inquiry(&inquiry, NOW).unwrap(), order);
        assert_eq!(case.store.verify(&inquiry, NOW), Err(JobRefusal::Signature));
        let signed = case.top.sign(&order).unwrap();
        assert_eq!(
            case.store.verify_inquiry(&signed, NOW),
            Err(JobRefusal::Signature)
        );
        let of_another = case.syndic.sign_inquiry(&order).unwrap();
        assert_eq!(
            case.store.verify_inquiry(&of_another, NOW),
            Err(JobRefusal::ForeignOrigin)
        );
    }

    #[test]
    fn rules_beyond_the_signature() {
        let case = case();
        let check = |key: &JobKey, order: JobOrder, now, expected: Option<JobRefusal>| {
            let result = case.store.verify(&key.sign(&order).unwrap(), now);
            assert_eq!(result.err(), expected);
        };
        let top = |change: &dyn Fn(&mut JobOrder)| {
            let mut order = order(&case);
            change(&mut order);
            order
        };
        let local = |change: &dyn Fn(&mut JobOrder)| {
            let mut order = local_order(&case);
            change(&mut order);
            order
        };
        let end = NOW + 60_000;
        check(&case.top, top(&|_| ()), end + ORDER_SKEW_MILLIS, None);
        check(&case.top, top(&|_| ()), NOW - ORDER_SKEW_MILLIS, None);
        check(
            &case.top,
            top(&|_| ()),
            end + ORDER_SKEW_MILLIS + 1,
            Some(JobRefusal::Late(ORDER_SKEW_MILLIS + 1)),
        );
        check(
            &case.top,
            top(&|_| ()),
            NOW - ORDER_SKEW_MILLIS - 1,
            Some(JobRefusal::Future(ORDER_SKEW_MILLIS + 1)),
        );
        check(
            &case.top,
            top(&|o| o.tree = wire::TreeId([0; 32])),
            NOW,
            Some(JobRefusal::OtherTree),
        );
        check(
            &case.top,
            top(&|o| o.origin = SYNDIC),
            NOW,
            Some(JobRefusal::ForeignOrigin),
        );
        check(
            &case.top,
            top(&|o| o.jid = JidClock::new(1, 0).next(NOW)),
            NOW,
            Some(JobRefusal::ForeignJid),
        );
        for scope in ["", "eu", "eu/fra", "eu/amsterdam", "us"] {
            let scope: SitePath = scope.parse().unwrap();
            check(
                &case.syndic,
                local(&|o| o.scope = scope.clone()),
                NOW,
                Some(JobRefusal::OutOfScope {
                    order: scope.clone(),
                    signer: "eu/ams".parse().unwrap(),
                }),
            );
        }
        check(
            &case.syndic,
            local(&|o| o.scope = "eu/ams".parse().unwrap()),
            NOW,
            None,
        );
        check(
            &case.syndic,
            local(&|o| o.fun = "cmd.run".into()),
            NOW,
            None,
        );
        check(
            &case.syndic,
            local(&|o| o.fun = "test.ping,cmd.run".into()),
            NOW,
            None,
        );
        for fun in [
            "cmd.run_all",
            "cmd",
            "testing.ping",
            "test",
            "state.apply",
            "test.ping,cmd.run_all",
            "",
        ] {
            check(
                &case.syndic,
                local(&|o| o.fun = fun.into()),
                NOW,
                Some(JobRefusal::Function(fun.into())),
            );
        }
        check(
            &case.syndic,
            local(&|o| o.start_by = NOW + 2_000_000),
            NOW + 1_000_000,
            Some(JobRefusal::SignerExpired("ams".into())),
        );
    }

    #[test]
    fn a_removed_signer_is_refused_although_its_order_was_verified() {
        let mut case = case();
        let envelope = case.syndic.sign(&local_order(&case)).unwrap();
        case.store.verify(&envelope, NOW).unwrap();
        let mut editor = TrustEditor::new(&case.root, case.store.signed()).unwrap();
        assert!(editor.remove_node(SYNDIC));
        case.store.accept(editor.sign(NOW).unwrap()).unwrap();
        let refused = JobRefusal::UnknownSigner(case.syndic.public().uid());
        assert_eq!(case.store.verify(&envelope, NOW), Err(refused));
    }

    #[test]
    fn the_memory_of_verified_orders_is_bounded() {
        let case = case();
        let mut clock = JidClock::new(0, 0);
        for _ in 0..VERIFIED_MAX + 10 {
            let order = JobOrder {
                jid: clock.next(NOW),
                ..order(&case)
            };
            case.store
                .verify(&case.top.sign(&order).unwrap(), NOW)
                .unwrap();
        }
        let memory = case.store.verified.memory.lock().unwrap();
        assert_eq!(
            (memory.orders.len(), memory.ages.len()),
            (VERIFIED_MAX, VERIFIED_MAX)
        );
    }
}
