//! What the loop wants done that takes its time: reads of the store, checks between the stages of rollouts.

use std::sync::Arc;

use relay::HubInput;
use tokio::sync::mpsc;
use wire::Jid;

use crate::serve::recovered_job;
use crate::service::Service;
use crate::undecided::Question;

/// One errand. The machine asks for a bounded number at once: jobs that it has no account of, stages that are over, and new jobs.
#[derive(Debug)]
pub enum Errand {
    /// Read a job from the store.
    Recall(Jid),
    /// Look whether a rollout goes on after a stage.
    CheckStage {
        /// Which job.
        jid: Jid,
        /// The stage that is over.
        stage: u32,
    },
    /// Find out whom a target by pillar means.
    Answer(Box<Question>),
}

/// Runs errands until the loop ends.
pub async fn run(mut errands: mpsc::UnboundedReceiver<Errand>, service: Arc<Service>) {
    while let Some(errand) = errands.recv().await {
        let service = service.clone();
        match errand {
            Errand::Recall(jid) => {
                if let Err(error) = recall(&service, jid).await {
                    tracing::error!(%jid, "a job can't be read from the store: {error:#}");
                }
            }
            Errand::CheckStage { jid, stage } => {
                tokio::spawn(async move {
                    if let Err(error) = service.check_stage(jid, stage).await {
                        tracing::error!(%jid, "the check between two stages failed: {error:#}");
                    }
                });
            }
            Errand::Answer(question) => {
                tokio::spawn(async move {
                    if let Err(error) = service.answer_question(*question).await {
                        tracing::error!("whom a target by pillar means stays open: {error:#}");
                    }
                });
            }
        }
    }
}

async fn recall(service: &Service, jid: Jid) -> anyhow::Result<()> {
    let stored = service.read(move |reader| reader.job(jid)).await?;
    // An account without an order is no answer: the order may be found elsewhere.
    let job = stored
        .filter(|job| !job.head.envelope.order.is_empty())
        .map(|job| Box::new(recovered_job(job)));
    Ok(service
        .engine
        .input(HubInput::Recalled { jid, job })
        .await?)
}
