//! This hub's own standing in the tree: its certificates, and their renewal.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use link::{Endpoint, Identity};
use membership::{Applicant, Membership, ParentAddress};
use pki::{Authority, KeyStore, Lifetimes, TlsIdentity};
use wire::enrol::Credentials;
use wire::{Role, TreeId};

use crate::parents::Parents;
use daemon::clock::Clock;

/// Between two renewals at least: one that failed is tried again then, and a clock that is far off, for which even a
/// fresh certificate is due, does not keep the parent busy.
const PAUSE: Duration = Duration::from_secs(60);

/// Keeps the certificates of this hub fresh, and everyone who uses them informed.
pub struct SelfStanding {
    /// The tree.
    pub tree: TreeId,
    /// The keys.
    pub keys: Arc<KeyStore>,
    /// What a syndic asks for.
    pub applicant: Applicant,
    /// Lives of certificates that it gives.
    pub lifetimes: Lifetimes,
    /// Certifies children.
    pub authority: Arc<RwLock<Arc<Authority>>>,
    /// The socket for children, and that for parents.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// The hub's clock.
    pub clock: Clock,
}

impl SelfStanding {
    /// Puts fresh credentials into force.
    fn take(&self, membership: Membership) -> anyhow::Result<()> {
        let identity = membership.identity(self.tree)?;
        for endpoint in &self.endpoints {
            endpoint.set_identity(&identity)?;
        }
        if let Some(authority) = membership.authority {
            *self
                .authority
                .write()
                .unwrap_or_else(PoisonError::into_inner) = Arc::new(authority);
        }
        Ok(())
    }

    /// A parent refused the certificate: asks to be let in again, for as long as it takes.
    pub async fn apply_again(&self, parents: &[ParentAddress]) {
        let clock = self.clock;
        let outcome = membership::apply(
            &self.applicant,
            &self.keys,
            parents,
            move || clock.now(),
            |word| tracing::warn!("{word}"),
        )
        .await;
        match outcome {
            Ok(membership) => {
                if let Err(error) = self.take(membership) {
                    tracing::error!("the new certificate can't be used: {error:#}");
                }
            }
            Err(error) => tracing::error!(%error, "this hub can't enrol again"),
        }
    }

    /// Renews when it is time, for as long as the hub runs.
    pub async fn keep_fresh(&self, parents: Arc<Parents>, seed: u64) {
        loop {
            let now = self.clock.now();
            let due = match self.applicant.stored(&self.keys, now) {
                Ok(Some(membership)) => membership::renewal_at(&membership, seed),
                _ => now,
            };
            tokio::time::sleep(Duration::from_millis(due.saturating_sub(now))).await;
            let renewed = match self.applicant.role {
                Role::TopMaster => self.renew_own(),
                Role::Syndic | Role::Minion => self.renew_at_parent(&parents).await,
            };
            match renewed {
                Ok(()) => tracing::info!("certificate renewed"),
                Err(error) => tracing::warn!("certificate not renewed: {error:#}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn renew_at_parent(&self, parents: &Parents) -> anyhow::Result<()> {
        let session = parents
            .any()
            .ok_or_else(|| anyhow::anyhow!("no parent is connected"))?;
        let membership = membership::renew(
            &self.applicant,
            &self.keys,
            &session.sender,
            self.clock.now(),
        )
        .await?;
        self.take(membership)
    }

    /// A top-master certifies its own link.
    fn renew_own(&self) -> anyhow::Result<()> {
        let now = self.clock.now();
        let authority = self
            .authority
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let key = self.keys.link_key()?;
        let link_chain = authority.issue_own(&key, &self.lifetimes, now)?;
        let credentials = Credentials {
            link_chain,
            ca_chain: authority.chain().to_vec(),
            trust: Vec::new().into(),
        };
        let identity = Identity {
            tree: self.tree,
            tls: TlsIdentity::member(&key, &credentials)?,
        };
        self.keys.save_credentials(&credentials)?;
        for endpoint in &self.endpoints {
            endpoint.set_identity(&identity)?;
        }
        Ok(())
    }
}
