//! Join tokens of this hub: made by an operator, spent by nodes that enrol.

use std::sync::Arc;

use pki::{JoinToken, TokenGrant, TokenRefusal};
use store::{Committer, HubStore, StoreError};
use wire::{NodeId, Role, SitePath, TreeId, UnixMillis};

use crate::store_work::on_store;

/// Tokens at once, at most, with those that have just ended.
const GRANTS_MAX: usize = 1_000;
/// A token that is over is kept this long, so that a node that comes late hears why it is refused.
const KEPT_AFTER_END_MS: u64 = 24 * 3_600_000;
/// Where the store keeps them.
const META_KEY: &str = "join-tokens";

/// The tokens, in the store; each change is on disk before it counts.
pub struct Grants {
    committer: Arc<Committer>,
    tree: TreeId,
    path: SitePath,
}

impl Grants {
    /// Tokens for nodes that join `tree` at or below this hub's site.
    pub fn new(committer: Arc<Committer>, tree: TreeId, path: SitePath) -> Self {
        Grants {
            committer,
            tree,
            path,
        }
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<TokenGrant>) -> (bool, T) + Send + 'static,
    ) -> anyhow::Result<T> {
        Ok(on_store(&self.committer, move |store| change(store, work)).await??)
    }

    /// Makes a token; gives its name, its text (shown once) and its end.
    ///
    /// # Errors
    /// A bad id glob, too many tokens, or a store that fails.
    pub async fn create(
        &self,
        role: Role,
        ids: Vec<String>,
        expires: UnixMillis,
        uses: u32,
    ) -> anyhow::Result<(String, String, UnixMillis)> {
        anyhow::ensure!(
            role != Role::TopMaster,
            "a top-master joins with `top-master join`, not with a token"
        );
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
        let name: NodeId = format!("t{:08x}", u32::from_le_bytes(random)).parse()?;
        let token = JoinToken::generate(self.tree, name.clone())?;
        let ids = if ids.is_empty() {
            vec!["*".to_owned()]
        } else {
            ids
        };
        let grant = token.grant(role, ids, self.path.clone(), expires, uses);
        self.with(move |grants| {
            if grants.len() >= GRANTS_MAX {
                return (
                    false,
                    Err(anyhow::anyhow!(
                        "there are {GRANTS_MAX} join tokens; revoke some"
                    )),
                );
            }
            grants.push(grant);
            (true, Ok(()))
        })
        .await??;
        Ok((name.to_string(), token.to_text().to_string(), expires))
    }

    /// The tokens that are in force at `now`.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn list(&self, now: UnixMillis) -> anyhow::Result<Vec<TokenGrant>> {
        self.with(move |grants| {
            let before = grants.len();
            grants.retain(|grant| grant.expires.saturating_add(KEPT_AFTER_END_MS) > now);
            let in_force = |grant: &&TokenGrant| grant.expires > now && grant.uses > 0;
            let listed = grants.iter().filter(in_force).cloned().collect();
            (grants.len() != before, listed)
        })
        .await
    }

    /// Ends a token; false when there is none of this name.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn revoke(&self, name: &str) -> anyhow::Result<bool> {
        let name = name.to_owned();
        self.with(move |grants| {
            let before = grants.len();
            grants.retain(|grant| grant.name.as_str() != name);
            (grants.len() != before, grants.len() != before)
        })
        .await
    }

    /// Spends one use of the token that a node shows.
    ///
    /// # Errors
    /// A store that fails; what the token says is in the inner result.
    pub async fn redeem(
        &self,
        shown: String,
        role: Role,
        id: NodeId,
        now: UnixMillis,
    ) -> anyhow::Result<Result<(), TokenRefusal>> {
        let path = self.path.clone();
        self.with(move |grants| {
            let name = TokenGrant::name_in(&shown);
            let grant = grants
                .iter_mut()
                .find(|grant| Some(&grant.name) == name.as_ref());
            let result = match grant {
                Some(grant) => grant.redeem(&shown, role, &id, &path, now),
                None => Err(TokenRefusal::Wrong),
            };
            (result.is_ok(), result)
        })
        .await
    }
}

fn change<T>(
    store: &mut HubStore,
    work: impl FnOnce(&mut Vec<TokenGrant>) -> (bool, T),
) -> Result<T, StoreError> {
    let mut grants: Vec<TokenGrant> = store
        .meta(META_KEY)?
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let (changed, value) = work(&mut grants);
    if changed {
        store.put_meta(META_KEY, &serde_json::to_vec(&grants).unwrap_or_default())?;
    }
    Ok(value)
}
