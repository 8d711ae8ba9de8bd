//! One job cache outside, whatever it is.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::session::Session;
use crate::tables::Work;
use crate::{
    Batch, CacheError, EventBatch, Host, Server, Syslog, events, file, schema, syslog, tables,
};

/// A connection, a batch or a check has to be done by then.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How often a transaction is tried at once that the database rolled back for another one's sake.
const CONFLICTS_MAX: u32 = 5;

/// Where jobs are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A database.
    Server(Box<Server>),
    /// A file with a line for each return.
    File(PathBuf),
    /// The host's log.
    Syslog(Syslog),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Server(server) => server.fmt(f),
            Place::File(path) => path.display().fmt(f),
            Place::Syslog(syslog) => syslog.socket.display().fmt(f),
        }
    }
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// The marks of hubs that write there.
    pub marks: Vec<String>,
    /// Hosts that can't be written to now, while another one can.
    pub failures: Vec<(Host, CacheError)>,
}

/// Rows that a database confirmed and has no more: a copy that lagged behind took over, or a backup was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The last change that it confirmed.
    pub confirmed: u64,
    /// The last one that it still knew of.
    pub found: u64,
}

/// A job cache and the connection to it.
pub struct Cache {
    place: Place,
    hub: String,
    within: Duration,
    /// And when it was used.
    session: Option<(Session, Instant)>,
    /// Which host is tried first: the one that worked last.
    at: usize,
    /// The last change that the database confirmed.
    confirmed: u64,
}

impl Cache {
    /// A cache for the hub of this name; connects when it is needed.
    pub fn new(place: Place, hub: String) -> Cache {
        Cache {
            place,
            hub,
            within: ANSWER_WITHIN,
            session: None,
            at: 0,
            confirmed: 0,
        }
    }

    /// The same with another time within which everything has to be answered.
    #[must_use]
    pub fn within(self, within: Duration) -> Cache {
        Cache { within, ..self }
    }

    /// Writes a batch; blocks where that is on this host. A batch whose end is unknown may be handed in again, and is in a database once.
    ///
    /// Gives what a database lost of earlier batches, when it did.
    ///
    /// # Errors
    /// When it is not written, or nobody knows; the connection is closed then.
    pub async fn write(&mut self, batch: &Batch) -> Result<Option<Loss>, CacheError> {
        match self.place.clone() {
            Place::Server(server) => {
                let before = self.at_server(&server, &Work::Jobs(batch)).await?;
                let (confirmed, found) = (self.confirmed, tables::number(&before));
                self.confirmed = batch.through.max(found);
                Ok((found < confirmed).then_some(Loss { confirmed, found }))
            }
            // On this host, and done at once: the caller has a thread for it.
            Place::File(path) => file::append(&path, batch).map(|()| None),
            Place::Syslog(syslog) => syslog::send(&syslog, batch).map(|()| None),
        }
    }

    /// Writes events of the hub with this id, as [`Cache::write`] does batches. The host's log gets none.
    ///
    /// # Errors
    /// As [`Cache::write`].
    pub async fn write_events(
        &mut self,
        master: &str,
        batch: &EventBatch,
    ) -> Result<(), CacheError> {
        match self.place.clone() {
            Place::Server(server) => {
                let work = Work::Events { master, batch };
                self.at_server(&server, &work).await.map(drop)
            }
            Place::File(path) => file::append_events(&path, batch),
            Place::Syslog(_) => Ok(()),
        }
    }

    /// Tries one host after the other, from the one that worked last, until each failed once. Gives the mark that was found.
    async fn at_server(&mut self, server: &Server, work: &Work<'_>) -> Result<String, CacheError> {
        let mut conflicts = 0;
        let mut failures = Vec::new();
        loop {
            let Some(host) = server.hosts.get(self.at) else {
                return Err(of_all(failures));
            };
            // Taken out, so that a failure or a cut in the middle leaves no connection with a transaction that is open.
            let session = self.session.take();
            let (hub, dialect, within) = (&self.hub, server.dialect, self.within);
            let attempt = async {
                let mut session = match session {
                    Some((session, used)) if used.elapsed() < within => session,
                    other => {
                        // The server, or something on the way, may have forgotten it.
                        if let Some((session, _)) = other {
                            session.close().await;
                        }
                        Session::open(server, host, within).await?
                    }
                };
                let before = tables::write(&mut session, dialect, hub, work, within).await?;
                Ok((session, before))
            };
            match timely(within, attempt).await {
                Ok((session, before)) => {
                    self.session = Some((session, Instant::now()));
                    if !failures.is_empty() {
                        let failed = CacheError::Hosts(failures);
                        tracing::info!(%host, "another host of the database is written to: {failed}");
                    }
                    return Ok(before);
                }
                Err(error) if error.is_conflict() && conflicts < CONFLICTS_MAX => conflicts += 1,
                Err(error) => {
                    failures.push((host.clone(), error));
                    self.at = (self.at + 1) % server.hosts.len();
                    if failures.len() >= server.hosts.len() {
                        return Err(of_all(failures));
                    }
                }
            }
        }
    }

    /// Makes the tables that are missing.
    ///
    /// # Errors
    /// When the database can't be reached or refuses.
    pub async fn init(&mut self) -> Result<(), CacheError> {
        let Place::Server(server) = &self.place else {
            return Ok(());
        };
        let (mut session, _) = self.any_host(server).await?;
        timely(self.within, async {
            for statement in schema(server.dialect) {
                session.plain(statement).await?;
            }
            Ok(())
        })
        .await
    }

    /// Looks whether everything is there that writing needs; events have a table of their own. Each host of a database is asked.
    ///
    /// # Errors
    /// When the place can't be reached, no host is ready, or a table is missing.
    pub async fn check(&mut self, with_events: bool) -> Result<Report, CacheError> {
        match &self.place {
            Place::File(path) => {
                file::append(path, &Batch::default())?;
                Ok(Report::default())
            }
            Place::Syslog(syslog) => {
                syslog::send(syslog, &Batch::default())?;
                Ok(Report::default())
            }
            Place::Server(server) => {
                let (mut session, failures) = self.any_host(server).await?;
                timely(self.within, async {
                    tables::check(&mut session, server.dialect, with_events).await?;
                    let mut marks = session
                        .texts("SELECT hub FROM banyan_exports ORDER BY hub", &[])
                        .await?;
                    marks.retain(|mark| !events::is_mark(mark));
                    Ok(Report { marks, failures })
                })
                .await
            }
        }
    }

    /// Connects to each host. Gives the first that is ready, and what was wrong with others.
    async fn any_host(
        &self,
        server: &Server,
    ) -> Result<(Session, Vec<(Host, CacheError)>), CacheError> {
        let mut ready = None;
        let mut failures = Vec::new();
        for host in &server.hosts {
            match timely(self.within, Session::open(server, host, self.within)).await {
                Ok(session) => ready = ready.or(Some(session)),
                Err(error) => failures.push((host.clone(), error)),
            }
        }
        match ready {
            Some(session) => Ok((session, failures)),
            None => Err(of_all(failures)),
        }
    }
}

/// What is said when no host took it: of a single one its own words.
fn of_all(mut failures: Vec<(Host, CacheError)>) -> CacheError {
    match (failures.pop(), failures.is_empty()) {
        (Some((_, only)), true) => only,
        (last, _) => {
            failures.extend(last);
            CacheError::Hosts(failures)
        }
    }
}

async fn timely<T>(
    within: Duration,
    work: impl Future<Output = Result<T, CacheError>>,
) -> Result<T, CacheError> {
    match tokio::time::timeout(within, work).await {
        Ok(done) => done,
        Err(_) => Err(CacheError::Slow(within.as_secs())),
    }
}
