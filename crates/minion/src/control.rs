//! The control socket of a minion: what `minion call` on the same host asks, and hears.
//!
//! One connection carries one question, and only root and the minion's own user may ask.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daemon::socket;
use daemon::user::login_name;
use modules::Call;
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::WriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use wire::call::{CallAsk, CallRun, CallTell, PART};
use wire::control::{Failure, FailureKind};
use wire::{Jid, NodeId, codec};

use crate::caller::{CallNews, Caller};
use crate::executor::Executor;
use crate::node::Node;
use crate::own::{OwnJob, OwnJobs};

/// Commands that are served at once, at most; a further one waits.
const CONNECTIONS_MAX: usize = 64;
/// A command has this long to send its question.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// A run that was told to end before it had begun is told again after this long.
const END_AGAIN: Duration = Duration::from_millis(50);

/// Where commands ask.
pub struct Desk {
    id: NodeId,
    executor: Executor,
    own_jobs: Arc<OwnJobs>,
    is_daemon: bool,
}

impl Desk {
    /// Of this minion.
    pub fn new(id: NodeId, node: &Node, is_daemon: bool) -> Desk {
        Desk {
            id,
            executor: node.executor.clone(),
            own_jobs: node.own_jobs.clone(),
            is_daemon,
        }
    }

    /// Begins a run. What it tells comes by the channel.
    fn begin(
        &self,
        run: &CallRun,
        user: &str,
    ) -> Result<(Jid, mpsc::UnboundedReceiver<CallNews>), Failure> {
        if !run.id.is_empty() && run.id != self.id.as_str() {
            let text = format!(
                "the minion that runs on this host is {}, and not {}: another id goes with --local",
                self.id, run.id
            );
            return Err(Failure::new(FailureKind::Refused, text));
        }
        let args: Result<Vec<Value>, _> = serde_json::from_slice(&run.args);
        let kwargs: Result<Map<String, Value>, _> = serde_json::from_slice(&run.kwargs);
        let (Ok(args), Ok(kwargs)) = (args, kwargs) else {
            let text = "the arguments are no list and object";
            return Err(Failure::new(FailureKind::Usage, text));
        };
        let (news, heard) = mpsc::unbounded_channel();
        let begun = self.own_jobs.begin(OwnJob {
            schedule: None,
            caller: Some(Caller {
                user: user.to_owned(),
                news,
            }),
            call: Call {
                fun: run.fun.clone(),
                args,
                kwargs,
            },
            is_told: run.is_told,
            is_kept: run.is_told,
            metadata: None,
            local_roots: None,
        });
        let jid = begun.map_err(|text| Failure::new(FailureKind::Refused, text))?;
        Ok((jid, heard))
    }
}

/// Where a call holds the place of the daemon, waits until that has ended.
pub async fn wait_for_call(path: &Path) {
    let Ok(mut stream) = UnixStream::connect(path).await else {
        return;
    };
    let asked = async {
        stream.write_all(&codec::frame(&CallAsk::Who)?).await?;
        let body = socket::read_frame(&mut stream).await?;
        Ok::<CallTell, anyhow::Error>(codec::decode(&body)?)
    };
    // Anything else is no call: whoever binds the socket says what is wrong.
    if let Ok(Ok(CallTell::Who {
        is_daemon: false,
        pid,
    })) = tokio::time::timeout(ASK_TIMEOUT, asked).await
    {
        tracing::info!(pid, "waits for the end of a call");
        socket::hung_up(&mut stream).await;
    }
}

/// Serves until the task is dropped; what has begun then goes on.
pub async fn serve(listener: UnixListener, desk: Arc<Desk>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "control socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let desk = desk.clone();
        tokio::spawn(async move {
            if let Err(error) = connection(stream, &desk).await {
                tracing::debug!(%error, "control connection ended");
            }
            drop(place);
        });
    }
}

async fn connection(mut stream: UnixStream, desk: &Desk) -> anyhow::Result<()> {
    let peer = socket::peer(&stream)?;
    let (mut reader, mut writer) = stream.split();
    if !peer.is_owner {
        let text = "only root and the user of the minion may ask it";
        return refuse(&mut writer, Failure::new(FailureKind::Refused, text)).await;
    }
    let Ok(read) = tokio::time::timeout(ASK_TIMEOUT, socket::read_frame(&mut reader)).await else {
        return Ok(());
    };
    let ask = read
        .map_err(|error| error.to_string())
        .and_then(|body| codec::decode(&body).map_err(|error| error.to_string()));
    match ask {
        Ok(CallAsk::Who) => {
            let who = CallTell::Who {
                is_daemon: desk.is_daemon,
                pid: std::process::id(),
            };
            tell(&mut writer, &who).await?;
            socket::hung_up(&mut reader).await;
            Ok(())
        }
        Ok(CallAsk::Run(run)) => {
            let user = login_name(peer.uid);
            let (jid, mut heard) = match desk.begin(&run, &user) {
                Ok(begun) => begun,
                Err(failure) => return refuse(&mut writer, failure).await,
            };
            let leaves = socket::hung_up(&mut reader);
            tokio::pin!(leaves);
            // Once the command has gone, or has had enough, its run ends.
            let mut has_left = tell(&mut writer, &CallTell::Begun { jid }).await.is_err();
            let mut is_ending = false;
            loop {
                if has_left && !is_ending {
                    is_ending = desk.executor.end(jid, &user);
                }
                tokio::select! {
                    news = heard.recv() => match news {
                        Some(CallNews::Steps(steps)) => {
                            has_left |= tell(&mut writer, &CallTell::Steps(steps)).await.is_err();
                        }
                        Some(CallNews::Ended(value, end)) => {
                            for part in value.chunks(PART) {
                                tell(&mut writer, &CallTell::Part(part.into())).await?;
                            }
                            return tell(&mut writer, &CallTell::Ended(end)).await;
                        }
                        None => anyhow::bail!("the run was lost"),
                    },
                    () = &mut leaves, if !has_left => has_left = true,
                    () = tokio::time::sleep(END_AGAIN), if has_left && !is_ending => {}
                }
            }
        }
        Err(text) => {
            let text = format!("not a question of this version: {text}");
            refuse(&mut writer, Failure::new(FailureKind::Usage, text)).await
        }
    }
}

async fn refuse(writer: &mut WriteHalf<'_>, failure: Failure) -> anyhow::Result<()> {
    tell(writer, &CallTell::Failed(failure)).await
}

async fn tell(writer: &mut WriteHalf<'_>, tell: &CallTell) -> anyhow::Result<()> {
    writer.write_all(&codec::frame(tell)?).await?;
    Ok(())
}
