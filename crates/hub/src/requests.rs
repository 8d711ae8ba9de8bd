//! Requests of children on streams of their own: enrolment, files, packs. Plain sequences, beside the relay.

use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use gitsync::{CommitId, Snapshot};
use pki::{Authority, ChildSpec, Lifetimes, Member, Peer, PublicKey};
use relay::HubInput;
use tokio::io::AsyncReadExt;
use wire::enrol::{EnrolAnswer, EnrolRequest};
use wire::files::{Answer, FileEntry, MAX_LIST, Request};
use wire::{Json, KeyDecision, Role, Standing};

use crate::contents::{Content, Contents};
use crate::engine::EngineHandle;
use crate::grants::Grants;
use crate::mine::Mine;
use crate::own_runs::OwnRuns;
use crate::pillars::{Asked, Pillars};
use crate::roots::{RootsHandle, refs_to_text};

/// A waiting enrolment is answered after this long at the latest; the node asks again at once.
const ENROL_HOLD: Duration = Duration::from_secs(25);
/// Pause that a node is asked to make when this hub has no room for its request.
const ENROL_BUSY_S: u32 = 30;
/// Bytes of a body that are read ahead of the link.
const CHUNK: usize = 256 << 10;

/// What requests need.
pub struct Requests {
    /// The machine.
    pub engine: EngineHandle,
    /// The roots.
    pub roots: RootsHandle,
    /// Contents of files that are asked for.
    pub contents: Contents,
    /// Join tokens.
    pub grants: Grants,
    /// Certifies children; replaced when this hub's own certificate is renewed.
    pub authority: Arc<RwLock<Arc<Authority>>>,
    /// How long certificates live.
    pub lifetimes: Lifetimes,
    /// Makes pillars.
    pub pillars: Arc<Pillars>,
    /// The mine.
    pub mine: Arc<Mine>,
    /// What minions began themselves.
    pub own_runs: Arc<OwnRuns>,
    /// The trust bundle that goes with certificates.
    pub trust: Arc<dyn Fn() -> Json + Send + Sync>,
}

impl Requests {
    /// Answers one request.
    pub async fn answer(&self, peer: &Peer, request: Request, responder: link::Responder) {
        let result = match (peer, request) {
            (_, Request::Enrol(ask)) => {
                let answer = match self.enrol(peer, ask).await {
                    Ok(answer) => Answer::Enrol(Box::new(answer)),
                    Err(error) => {
                        tracing::warn!("enrolment failed: {error:#}");
                        Answer::Refused(
                            "the hub could not handle the enrolment; its log says why".to_owned(),
                        )
                    }
                };
                responder.answer(&answer).await
            }
            (Peer::Stranger(_), _) => {
                responder
                    .answer(&Answer::Refused(
                        "only members of the tree may ask this".to_owned(),
                    ))
                    .await
            }
            (Peer::Member(member), Request::Pack { .. } | Request::RootsRule)
                if !member.role.is_hub() =>
            {
                // A pack holds the whole repository, and with it what only hubs may read.
                let text = "only hubs may ask for packs".to_owned();
                responder.answer(&Answer::Refused(text)).await
            }
            (
                Peer::Member(member),
                Request::Pillar {
                    roots,
                    grains,
                    pillarenv,
                    saltenv,
                    values,
                },
            ) => {
                let asked = Asked {
                    grains,
                    pillarenv,
                    saltenv,
                    values,
                };
                let answer = match self.pillar(member, roots.as_deref(), asked).await {
                    Ok(pillar) => Answer::Pillar(pillar),
                    Err(text) => Answer::Refused(text),
                };
                responder.answer(&answer).await
            }
            (Peer::Member(member), Request::MineGive(entries)) => {
                let (mine, member) = (self.mine.clone(), member.clone());
                let given = tokio::task::spawn_blocking(move || mine.give(&member, &entries));
                let answer = done(given.await.unwrap_or_else(|error| Err(error.to_string())));
                responder.answer(&answer).await
            }
            (Peer::Member(member), Request::MineExport(export)) => {
                let (mine, member) = (self.mine.clone(), member.clone());
                let taken = tokio::task::spawn_blocking(move || mine.take_export(&member, &export));
                let answer = done(taken.await.unwrap_or_else(|error| Err(error.to_string())));
                responder.answer(&answer).await
            }
            (Peer::Member(member), Request::MineGet(question)) => {
                let answer = self.mine.answer(member, &question).await;
                let answer = answer.map_or_else(Answer::Refused, Answer::Mine);
                responder.answer(&answer).await
            }
            (Peer::Member(member), Request::OwnRuns(runs)) => {
                let answer = done(self.own_runs.take(member, runs).await);
                responder.answer(&answer).await
            }
            (Peer::Member(_), request) => self.serve(request, responder).await,
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a request's answer did not get through");
        }
    }

    async fn enrol(&self, peer: &Peer, ask: EnrolRequest) -> anyhow::Result<EnrolAnswer> {
        let refused = |text: &str| Ok(EnrolAnswer::Refused(text.to_owned()));
        let Ok(key) = PublicKey::from_csr(&ask.link_csr) else {
            return refused("the signing request is malformed");
        };
        if key.uid() != peer.uid() {
            return refused("the signing request is not for the key of this connection");
        }
        let authority = self
            .authority
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let own = authority.identity().path.clone();
        let path = match ask.role {
            Role::TopMaster => return refused("a top-master joins with `top-master join`"),
            Role::Minion => own,
            Role::Syndic => {
                let label = if ask.site.is_empty() {
                    ask.id.as_str()
                } else {
                    &ask.site
                };
                match own.child(label) {
                    Ok(path) => path,
                    Err(error) => {
                        return Ok(EnrolAnswer::Refused(format!("site {label:?}: {error}")));
                    }
                }
            }
        };
        let wants = relay::Peer {
            uid: key.uid(),
            id: ask.id.clone(),
            role: ask.role,
            path: path.clone(),
            fingerprint: key.fingerprint().0,
        };
        let mut decided = self.engine.decisions();
        let mut standing = self.engine.enrolling(wants, ask.software.clone()).await?;
        let mut has_token = false;
        if standing == Some(Standing::Pending)
            && let Some(token) = ask.token.clone()
        {
            let now = self.engine.clock().now();
            match self
                .grants
                .redeem(token, ask.role, ask.id.clone(), now)
                .await?
            {
                Ok(()) => {
                    tracing::info!(id = %ask.id, role = %ask.role, "accepted by join token");
                    has_token = true;
                    self.engine
                        .input(HubInput::Decide {
                            uids: vec![key.uid()],
                            decision: KeyDecision::Accept,
                        })
                        .await?;
                }
                Err(refusal) => {
                    tracing::warn!(id = %ask.id, "join token refused: {refusal}");
                    return Ok(EnrolAnswer::Refused(refusal.to_string()));
                }
            }
        }
        if standing == Some(Standing::Pending) {
            if !has_token {
                tracing::info!(id = %ask.id, role = %ask.role, fingerprint = %key.fingerprint(), "a key waits to be accepted");
            }
            let hold = tokio::time::sleep(ENROL_HOLD);
            tokio::pin!(hold);
            loop {
                tokio::select! {
                    decision = decided.recv() => match decision {
                        Ok(decision) if decision.uid == key.uid() && decision.refused.is_none() => {
                            standing = decision.standing;
                            break;
                        }
                        // Missed some: ask the roster.
                        Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {
                            let uid = key.uid();
                            standing = self.engine.query(move |hub| hub.node_by_uid(uid).map(|n| n.standing())).await?;
                            if standing != Some(Standing::Pending) {
                                break;
                            }
                        }
                        Err(tokio::sync::broadcast::error::RecvError::Closed) => anyhow::bail!("the hub stops"),
                        Ok(_) => {}
                    },
                    () = &mut hold => break,
                }
            }
        }
        match standing {
            None => Ok(EnrolAnswer::Pending {
                retry_after_s: ENROL_BUSY_S,
            }),
            Some(Standing::Pending) => Ok(EnrolAnswer::Pending { retry_after_s: 0 }),
            Some(Standing::Rejected) => refused("an operator rejected this key"),
            Some(Standing::Denied) => Ok(EnrolAnswer::Refused(format!(
                "this key may not have the id {}: another key holds it, or this key is accepted under another name",
                ask.id
            ))),
            Some(Standing::Accepted) => {
                let spec = ChildSpec {
                    id: &ask.id,
                    role: ask.role,
                    path: &path,
                    link_csr: &ask.link_csr,
                    ca_csr: &ask.ca_csr,
                };
                let now = self.engine.clock().now();
                match authority.issue(&spec, &self.lifetimes, now, (self.trust)()) {
                    Ok(credentials) => {
                        tracing::info!(id = %ask.id, role = %ask.role, %path, fingerprint = %key.fingerprint(), "certificate issued");
                        Ok(EnrolAnswer::Accepted(credentials))
                    }
                    Err(error) => Ok(EnrolAnswer::Refused(error.to_string())),
                }
            }
        }
    }

    async fn serve(
        &self,
        request: Request,
        responder: link::Responder,
    ) -> Result<(), link::RequestError> {
        match request {
            // Answered by who knows the peer.
            Request::Enrol(_)
            | Request::Pillar { .. }
            | Request::MineGive(_)
            | Request::MineExport(_)
            | Request::MineGet(_)
            | Request::OwnRuns(_) => Ok(()),
            Request::Stat { roots, env, path } => {
                let answer = match self.stat(roots.as_deref(), &env, path).await {
                    Ok(entry) => Answer::Stat(entry),
                    Err(text) => Answer::Refused(text),
                };
                responder.answer(&answer).await
            }
            Request::Content {
                roots,
                env,
                path,
                offset,
            } => match self.content(roots.as_deref(), &env, &path).await {
                Ok(content) => {
                    let mut rest = content.bytes();
                    let size = rest.len() as u64;
                    let mut stream = responder.stream(&Answer::Content { size }).await?;
                    let from = usize::try_from(offset).unwrap_or(usize::MAX);
                    drop(rest.split_to(from.min(rest.len())));
                    while !rest.is_empty() {
                        stream.write(rest.split_to(CHUNK.min(rest.len()))).await?;
                    }
                    stream.finish();
                    Ok(())
                }
                Err(text) => responder.answer(&Answer::Refused(text)).await,
            },
            Request::List { roots, env, prefix } => {
                let answer = match self.roots.snapshot(roots.as_deref()).await {
                    Err(text) => Answer::Refused(text),
                    Ok(snapshot) => match snapshot.list(&env) {
                        Err(error) => Answer::Refused(error.to_string()),
                        Ok(files) => {
                            let mut found =
                                files.iter().filter(|file| file.path.starts_with(&prefix));
                            let entries: Vec<FileEntry> = found
                                .by_ref()
                                .take(MAX_LIST)
                                .map(|file| FileEntry {
                                    path: file.path.clone(),
                                    size: file.size,
                                    executable: file.executable,
                                    sha256: String::new(),
                                    blob: file.blob.to_string(),
                                })
                                .collect();
                            Answer::List {
                                entries,
                                cut: found.next().is_some(),
                            }
                        }
                    },
                };
                responder.answer(&answer).await
            }
            Request::Environments { roots } => {
                let answer = match self.roots.snapshot(roots.as_deref()).await {
                    Ok(snapshot) => Answer::Environments(
                        snapshot
                            .environments()
                            .map(|(env, _)| env.to_owned())
                            .collect(),
                    ),
                    Err(text) => Answer::Refused(text),
                };
                responder.answer(&answer).await
            }
            Request::RootsRule => {
                let answer = match self.roots.mirror() {
                    Some(mirror) => Answer::RootsRule(mirror.rule().to_text()),
                    None => Answer::Refused("the parent serves no roots".to_owned()),
                };
                responder.answer(&answer).await
            }
            Request::Pack { want, have } => self.pack(want.as_deref(), &have, responder).await,
        }
    }

    /// The pillar of the minion at the other end of the link, and of no other.
    async fn pillar(
        &self,
        member: &Member,
        roots: Option<&str>,
        asked: Asked,
    ) -> Result<Json, String> {
        if member.role != Role::Minion {
            return Err("only minions have a pillar".to_owned());
        }
        let snapshot = self.roots.pillar_snapshot(roots).await?;
        self.pillars.make(snapshot, &member.id, asked).await
    }

    async fn stat(
        &self,
        roots: Option<&str>,
        env: &str,
        path: String,
    ) -> Result<Option<FileEntry>, String> {
        let snapshot = self.roots.snapshot(roots).await?;
        let Some(entry) = snapshot.entry(env, &path).map_err(|e| e.to_string())? else {
            return Ok(None);
        };
        let read = read(&snapshot, env, &path);
        Ok(Some(FileEntry {
            size: entry.size,
            executable: entry.executable,
            sha256: self.contents.sha256(entry.blob, read).await?,
            blob: entry.blob.to_string(),
            path,
        }))
    }

    async fn content(&self, roots: Option<&str>, env: &str, path: &str) -> Result<Content, String> {
        let snapshot = self.roots.snapshot(roots).await?;
        let entry = snapshot.entry(env, path).map_err(|e| e.to_string())?;
        let entry = entry.ok_or_else(|| no_file(env, path))?;
        let read = read(&snapshot, env, path);
        self.contents.content(entry.blob, read).await
    }

    async fn pack(
        &self,
        want: Option<&str>,
        have: &[String],
        responder: link::Responder,
    ) -> Result<(), link::RequestError> {
        let Some(mirror) = self.roots.mirror().cloned() else {
            return responder
                .answer(&Answer::Refused("the parent serves no roots".to_owned()))
                .await;
        };
        let refs = mirror.refs();
        if refs.is_empty() {
            return responder
                .answer(&Answer::Refused("the parent has no roots yet".to_owned()))
                .await;
        }
        let state = refs_to_text(&refs);
        let have: Vec<CommitId> = have.iter().filter_map(|text| text.parse().ok()).collect();
        let mut wanted: Vec<CommitId> = refs.into_values().collect();
        wanted.extend(
            want.and_then(|text| CommitId::from_str(text).ok())
                .filter(|commit| mirror.contains(*commit)),
        );
        wanted.retain(|commit| !have.contains(commit));
        if wanted.is_empty() {
            return responder.answer(&Answer::Pack { state, size: 0 }).await;
        }
        let packed = tokio::task::spawn_blocking(move || {
            let mut file = tempfile::tempfile().map_err(|e| e.to_string())?;
            let size = mirror
                .pack(&wanted, &have, &mut file)
                .map_err(|e| e.to_string())?;
            std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(0))
                .map_err(|e| e.to_string())?;
            Ok::<_, String>((file, size))
        })
        .await;
        let (file, size) = match packed {
            Ok(Ok(packed)) => packed,
            Ok(Err(text)) => return responder.answer(&Answer::Refused(text)).await,
            Err(error) => return responder.answer(&Answer::Refused(error.to_string())).await,
        };
        let mut stream = responder.stream(&Answer::Pack { state, size }).await?;
        let mut file = tokio::fs::File::from_std(file);
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer).await {
                Ok(0) => {
                    stream.finish();
                    return Ok(());
                }
                Ok(got) => {
                    stream
                        .write(bytes::Bytes::copy_from_slice(&buffer[..got]))
                        .await?
                }
                Err(error) => {
                    tracing::error!(%error, "a pack on its way out");
                    return Ok(());
                }
            }
        }
    }
}

fn done(result: Result<(), String>) -> Answer {
    result.map_or_else(Answer::Refused, |()| Answer::Done)
}

/// Reads a file of a snapshot, when it is called.
fn read(
    snapshot: &Snapshot,
    env: &str,
    path: &str,
) -> impl FnOnce() -> Result<Vec<u8>, String> + Send + 'static {
    let (snapshot, env, path) = (snapshot.clone(), env.to_owned(), path.to_owned());
    move || {
        let file = snapshot.read(&env, &path).map_err(|e| e.to_string())?;
        Ok(file.ok_or_else(|| no_file(&env, &path))?.bytes)
    }
}

fn no_file(env: &str, path: &str) -> String {
    format!("there is no file {path} in {env}")
}
