//! Jobs of another top-master that an operator lets this one adopt.

use std::time::Duration;

use relay::HubInput;
use wire::Jid;
use wire::control::{Adopted, FailureKind, JobSummary, Tell};

use crate::control::{Teller, failed};
use crate::jobs::no_job;
use crate::service::Service;

/// Jobs that one command adopts, at most: the newest.
const JOBS_MAX: u32 = 1_000;
/// The disk has an adoption by then, or the operator has to ask again.
const WAIT: Duration = Duration::from_secs(15);

impl Service {
    /// Adopts one job, or all of a top-master that have not ended.
    pub(crate) async fn adopt(
        &self,
        which: &Adopted,
        user: &str,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        let tell = match self.to_adopt(which).await? {
            Err(refusal) => refusal,
            Ok(jobs) => {
                for job in &jobs {
                    tracing::info!(jid = %job.jid, origin = %job.origin, user, "a job is adopted");
                    if !self.adopt_one(job.jid).await? {
                        let text = format!(
                            "job {} is not adopted: no answer in time; ask again",
                            job.jid
                        );
                        return teller.tell(&failed(FailureKind::Refused, text)).await;
                    }
                }
                Tell::Jobs(jobs)
            }
        };
        teller.tell(&tell).await
    }

    /// The jobs that are meant, or why none is.
    async fn to_adopt(&self, which: &Adopted) -> anyhow::Result<Result<Vec<JobSummary>, Tell>> {
        let refused = |text: String| Ok(Err(failed(FailureKind::Refused, text)));
        let top = |hub: &relay::Hub| hub.config().path.is_top().then(|| hub.config().uid);
        let Some(own) = self.engine.query(top).await? else {
            return refused("only a top-master adopts jobs".to_owned());
        };
        let all = self.read(|reader| reader.jobs(JOBS_MAX, None)).await?;
        match which {
            Adopted::Job(jid) => {
                let Some(order) = self.stored_order(*jid).await? else {
                    return Ok(Err(no_job(*jid)));
                };
                if order.origin == own && !self.is_beside(*jid).await? {
                    return refused(format!("job {jid} is one of this top-master's own"));
                }
                if !order.scope.is_top() && self.is_of_a_site(&order).await? {
                    return refused(format!(
                        "job {jid} was ordered by {}, which goes on with it: only jobs of top-masters are adopted",
                        order.origin_id
                    ));
                }
                let one = all.into_iter().filter(|job| job.jid == *jid);
                Ok(Ok(one.collect()))
            }
            Adopted::Of(id) => {
                let jids: Vec<Jid> = all.iter().map(|job| job.jid).collect();
                let owners = self.read(move |reader| reader.owners(&jids)).await?;
                // Also what it has adopted itself, and not what another one has adopted from it.
                let of_it = all.into_iter().filter(|job| match owners.get(&job.jid) {
                    Some(owner) => self.trust.id_of(owner.hub) == *id,
                    None => job.origin == *id,
                });
                let mut found = Vec::new();
                for job in of_it.filter(|job| job.finished.is_none()) {
                    if self.is_beside(job.jid).await? {
                        found.push(job);
                    }
                }
                Ok(Ok(found))
            }
        }
    }

    async fn is_beside(&self, jid: Jid) -> anyhow::Result<bool> {
        let beside = move |hub: &relay::Hub| hub.job(jid).is_some_and(|job| job.is_beside());
        Ok(self.engine.query(beside).await?)
    }

    /// Whether a hub below ordered it for its own site.
    async fn is_of_a_site(&self, order: &wire::JobOrder) -> anyhow::Result<bool> {
        let origin = order.origin;
        let below = move |hub: &relay::Hub| hub.node_by_uid(origin).is_some();
        Ok(self.engine.query(below).await?)
    }

    /// Adopts a job; whether that is on disk.
    async fn adopt_one(&self, jid: Jid) -> anyhow::Result<bool> {
        let mut moves = self.engine.watch(jid).await?;
        self.engine.input(HubInput::Adopt { jid }).await?;
        let adopted = async {
            loop {
                moves.borrow_and_update();
                let is_adopted =
                    move |hub: &relay::Hub| hub.job(jid).is_some_and(|job| job.is_adopted());
                if self.engine.query(is_adopted).await? {
                    return anyhow::Ok(());
                }
                moves.changed().await?;
            }
        };
        match tokio::time::timeout(WAIT, adopted).await {
            Ok(done) => done.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}
