//! Talking to the remote.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use git2::{
    AutotagOption, CertificateCheckStatus, Cred, CredentialType, Direction, ErrorClass, ErrorCode,
    FetchOptions, ProxyOptions,
};
use git2::{Reference, RemoteCallbacks, RemoteRedirect, Repository};

use crate::deadline::Deadline;
use crate::hostkey::{Presented, fingerprint};
use crate::incoming::Incoming;
use crate::remote::{self, Place};
use crate::{Auth, CommitId, Error, Limits, Remote, process};

/// How often the library may ask for credentials: the user name, then the key or password. It asks again and again when
/// they are refused.
const CREDENTIAL_REQUESTS_MAX: usize = 2;

/// What the remote has.
pub(crate) struct Advertised {
    /// Branches and tags with the commits they lead to, by full name.
    pub(crate) refs: BTreeMap<String, CommitId>,
    /// The full name of the branch that `HEAD` names.
    pub(crate) head: Option<String>,
}

/// Brings the remote's branches and tags, and all they reach, into `incoming`.
pub(crate) fn download(
    incoming: &Incoming,
    remote: &Remote,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Advertised, Error> {
    let place = remote::parse(&remote.url)?;
    if let Some(path) = &remote.ca_file {
        process::trust_ca_file(path)?;
    }
    let repository = incoming.open()?;
    let reason = Mutex::new(None);
    let session = Session {
        remote,
        place,
        limits,
        deadline,
        reason: &reason,
    };
    let advertised = session.run(&repository);
    let reason = reason.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (heads, head) = advertised.map_err(|error| session_error(error, reason, deadline))?;
    let mut refs = BTreeMap::new();
    for (name, id) in heads {
        let object = repository
            .find_object(id, None)
            .map_err(Error::corrupt(format!("`{name}`")))?;
        // A tag may name a file or a tree. Git allows it; there is nothing to serve in it.
        if let Ok(commit) = object.peel_to_commit() {
            refs.insert(name, CommitId::from_oid(commit.id()));
        }
    }
    Ok(Advertised { refs, head })
}

type Heads = (Vec<(String, git2::Oid)>, Option<String>);

enum Failure {
    Ours(Error),
    Library(git2::Error),
}

impl From<git2::Error> for Failure {
    fn from(error: git2::Error) -> Self {
        Self::Library(error)
    }
}

/// One conversation with the remote.
struct Session<'a> {
    remote: &'a Remote,
    place: Place,
    limits: &'a Limits,
    deadline: &'a Deadline,
    /// Why a callback stopped the library, which itself only knows that one did.
    reason: &'a Mutex<Option<Error>>,
}

impl Session<'_> {
    fn run(&self, repository: &Repository) -> Result<Heads, Failure> {
        // Until a download has options of its own, the library takes its word on redirects from here. Its strictest choice
        // still allows https redirects within the same host, which then has to show a certificate for that name again.
        repository
            .config()?
            .set_bool("http.followRedirects", false)?;
        let mut remote = repository.remote_anonymous(&self.remote.url)?;
        let mut connection = remote.connect_auth(
            Direction::Fetch,
            Some(self.callbacks()),
            Some(ProxyOptions::new()),
        )?;
        let listed = connection.list()?;
        if listed.len() > self.limits.refs {
            return Err(Failure::Ours(Error::Limit {
                what: "references",
                limit: self.limits.refs as u64,
            }));
        }
        let head = listed.iter().find(|head| head.name() == "HEAD");
        let head = head
            .and_then(|head| head.symref_target())
            .map(str::to_owned);
        let followed = |name: &str| {
            let prefix = name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
            // `^{}` marks what a tag leads to; the tag itself is in the list as well.
            prefix && Reference::is_valid_name(name)
        };
        let heads: Vec<_> = listed
            .iter()
            .filter(|head| followed(head.name()))
            .map(|head| (head.name().to_owned(), head.oid()))
            .collect();
        if !heads
            .iter()
            .any(|(name, _)| name.starts_with("refs/heads/"))
        {
            return Err(Failure::Ours(Error::Empty));
        }
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(self.callbacks())
            .proxy_options(ProxyOptions::new())
            .follow_redirects(RemoteRedirect::None)
            .download_tags(AutotagOption::None)
            .update_fetchhead(false);
        let refspecs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
        connection
            .remote()
            .download(&refspecs, Some(&mut options))?;
        Ok((heads, head))
    }

    fn callbacks(&self) -> RemoteCallbacks<'_> {
        let mut callbacks = RemoteCallbacks::new();
        let mut requests = 0;
        callbacks.credentials(move |_url, user, allowed| {
            requests += 1;
            self.credentials(user, allowed, requests)
                .map_err(|error| self.stop(error))
        });
        callbacks.certificate_check(|cert, host| {
            self.deadline.check().map_err(|error| self.stop(error))?;
            match cert.as_hostkey() {
                Some(key) => self
                    .check_host_key(key, host)
                    .map_err(|error| self.stop(error)),
                // For https the library has checked the chain and the name; its verdict stands.
                None => Ok(CertificateCheckStatus::CertificatePassthrough),
            }
        });
        callbacks.transfer_progress(|progress| {
            let checked = self.deadline.check().and_then(|()| {
                let over = |what, limit| Err(Error::Limit { what, limit });
                if progress.received_bytes() as u64 > self.limits.repository_bytes {
                    over("bytes in a fetch", self.limits.repository_bytes)
                } else if progress.total_objects() > self.limits.objects {
                    over("objects in a fetch", self.limits.objects as u64)
                } else {
                    Ok(())
                }
            });
            checked.map_err(|error| self.stop(error)).is_ok()
        });
        callbacks.sideband_progress(|_text| {
            self.deadline
                .check()
                .map_err(|error| self.stop(error))
                .is_ok()
        });
        callbacks
    }

    fn credentials(
        &self,
        user: Option<&str>,
        allowed: CredentialType,
        requests: usize,
    ) -> Result<Cred, Error> {
        self.deadline.check()?;
        let refused = |detail: &str| Error::Auth {
            detail: detail.to_owned(),
        };
        if requests > CREDENTIAL_REQUESTS_MAX {
            return Err(refused("they were refused"));
        }
        let made = match (&self.remote.auth, &self.place) {
            (Auth::SshKey(key), Place::Ssh { .. }) => {
                let user = user.or(key.user.as_deref()).unwrap_or("git");
                if allowed.contains(CredentialType::USERNAME) {
                    Cred::username(user)
                } else if allowed.contains(CredentialType::SSH_KEY) {
                    Cred::ssh_key(
                        user,
                        key.public.as_deref(),
                        &key.private,
                        key.passphrase.as_deref(),
                    )
                } else {
                    return Err(refused("it takes no ssh keys"));
                }
            }
            (Auth::Password { user, password }, Place::Https)
                if allowed.contains(CredentialType::USER_PASS_PLAINTEXT) =>
            {
                if requests > 1 {
                    return Err(refused("they were refused"));
                }
                Cred::userpass_plaintext(user, password)
            }
            (Auth::None, _) => {
                return Err(refused("it asks for credentials, and none are configured"));
            }
            _ => return Err(refused("the configured kind does not suit it")),
        };
        made.map_err(|error| refused(error.message()))
    }

    fn check_host_key(
        &self,
        key: &git2::cert::CertHostkey<'_>,
        host: &str,
    ) -> Result<CertificateCheckStatus, Error> {
        let Place::Ssh { host, port } = &self.place else {
            return Err(Error::HostKey {
                host: host.to_owned(),
                presented: "an ssh key, though the URL is not ssh".into(),
            });
        };
        let presented = match (key.hostkey(), key.hash_sha256()) {
            (Some(key), Some(sha256)) => Presented { key, sha256 },
            _ => {
                return Err(Error::HostKey {
                    host: host.clone(),
                    presented: "no key".into(),
                });
            }
        };
        let kind = key.hostkey_type().map_or("unknown", |kind| kind.name());
        let Auth::SshKey(auth) = &self.remote.auth else {
            return Err(Error::Auth {
                detail: "an ssh remote needs an ssh key and pinned host keys".into(),
            });
        };
        if auth.host_keys.contain(host, *port, &presented)? {
            return Ok(CertificateCheckStatus::CertificateOk);
        }
        Err(Error::HostKey {
            host: host.clone(),
            presented: format!("{kind} {}", fingerprint(presented.sha256)),
        })
    }

    /// Keeps the reason and gives the library something to stop with.
    fn stop(&self, error: Error) -> git2::Error {
        let stopped = git2::Error::new(ErrorCode::User, ErrorClass::Callback, error.to_string());
        self.reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
        stopped
    }
}

fn session_error(failure: Failure, reason: Option<Error>, deadline: &Deadline) -> Error {
    match (failure, reason) {
        (Failure::Ours(error), _) | (_, Some(error)) => error,
        (Failure::Library(_), None) if deadline.passed() => deadline.error(),
        (Failure::Library(error), None) if error.code() == ErrorCode::Auth => Error::Auth {
            detail: error.message().to_owned(),
        },
        (Failure::Library(error), None) => match error.class() {
            ErrorClass::Odb
            | ErrorClass::Indexer
            | ErrorClass::Object
            | ErrorClass::Tree
            | ErrorClass::Zlib
            | ErrorClass::Sha1 => Error::Corrupt {
                detail: format!("remote: {}", error.message()),
            },
            _ => Error::Remote {
                detail: error.message().to_owned(),
            },
        },
    }
}
