//! The control socket: what a command line on the same host asks, and hears.
//!
//! One connection carries one question. The socket lies in a directory that only the hub's own user may enter, unless rules let
//! others in: then the kernel says who they are, and `gatekeeper` what they may do.

use std::sync::Arc;
use std::time::Duration;

use daemon::socket;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use wire::codec;
use wire::control::{Ask, Failure, FailureKind, Tell};

use crate::caller::Caller;
use crate::service::Service;

/// Command lines of the hub's own user that are served at once, at most; a further one waits.
const CONNECTIONS_MAX: usize = 256;
/// Those of all other users, where rules let them in; a further one is refused.
const OTHERS_MAX: usize = 64;
/// A command line has this long to send its question.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// Progress is told at most this often.
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Serves until the task is dropped.
pub async fn serve(listener: UnixListener, service: Arc<Service>) {
    let own = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let others = Arc::new(Semaphore::new(OTHERS_MAX));
    loop {
        let accepted = async {
            let (stream, _) = listener.accept().await?;
            let caller = Caller::of(&stream)?;
            Ok::<_, std::io::Error>(Teller { stream, caller })
        };
        let mut teller = match accepted.await {
            Ok(teller) => teller,
            Err(error) => {
                tracing::warn!(%error, "control socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Other users of the host can't take the places of the hub's own.
        let place = match teller.caller.is_owner {
            true => own.clone().acquire_owned().await.ok(),
            false => others.clone().try_acquire_owned().ok(),
        };
        let service = service.clone();
        tokio::spawn(async move {
            let done = match place {
                Some(_place) => connection(&mut teller, &service).await,
                None => {
                    let text = "too many command lines of other users are connected; try again";
                    teller.tell(&failed(FailureKind::Refused, text)).await
                }
            };
            if let Err(error) = done {
                tracing::debug!(%error, "control connection ended");
            }
        });
    }
}

async fn connection(teller: &mut Teller, service: &Arc<Service>) -> anyhow::Result<()> {
    let ask = match tokio::time::timeout(ASK_TIMEOUT, teller.ask()).await {
        Ok(Ok(ask)) => ask,
        Ok(Err(error)) => {
            teller
                .tell(&failed(
                    FailureKind::Usage,
                    format!("not a question of this version: {error}"),
                ))
                .await?;
            return Ok(());
        }
        Err(_) => return Ok(()),
    };
    let ask = match service.admit(teller.caller(), ask).await? {
        Ok(ask) => ask,
        Err(failure) => return teller.tell(&Tell::Failed(failure)).await,
    };
    match service.answer(ask, teller).await {
        Ok(()) => Ok(()),
        Err(error) => {
            teller
                .tell(&failed(FailureKind::Internal, format!("{error:#}")))
                .await
        }
    }
}

/// A failure as an answer.
pub fn failed(kind: FailureKind, text: impl Into<String>) -> Tell {
    Tell::Failed(Failure::new(kind, text))
}

/// One command line.
pub struct Teller {
    stream: UnixStream,
    caller: Caller,
}

impl Teller {
    /// Who asks.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    async fn ask(&mut self) -> anyhow::Result<Ask> {
        let body = socket::read_frame(&mut self.stream).await?;
        Ok(codec::decode(&body)?)
    }

    /// Sends an answer.
    ///
    /// # Errors
    /// When the command line has gone, or the answer does not fit into a frame.
    pub async fn tell(&mut self, tell: &Tell) -> anyhow::Result<()> {
        self.stream.write_all(&codec::frame(tell)?).await?;
        Ok(())
    }

    /// Ends when the command line hangs up: it says nothing after its question.
    pub async fn hung_up(&mut self) {
        socket::hung_up(&mut self.stream).await;
    }
}
