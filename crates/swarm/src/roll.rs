//! Who is a member already: keys and certificates of all minions in one file.
//!
//! The file is frames of `wire::codec`, one for each minion, appended as they enrol. A frame that was cut off by the
//! end of the process is cut off the file, and its minion enrols again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use link::Identity;
use pki::{LinkKey, Member, TlsIdentity, verify_credentials};
use wire::codec::{self, PREFIX};
use wire::enrol::Credentials;
use wire::{NodeId, TreeId};

use crate::minion::unix_now;

/// A minion that may connect.
#[derive(Debug)]
pub struct Enrolled {
    /// How its certificate names it.
    pub member: Member,
    /// What it connects with.
    pub identity: Identity,
    /// The trust bundle that it was given, encoded.
    pub trust: wire::Json,
}

/// The file, and the minions that it had.
#[derive(Debug)]
pub struct Roll {
    file: File,
    tree: TreeId,
    known: HashMap<NodeId, (String, Credentials)>,
}

impl Roll {
    /// Reads the file, or makes it for the user alone.
    ///
    /// # Errors
    /// When the file can't be used, or is something else.
    pub fn open(path: &Path, tree: TreeId) -> anyhow::Result<Roll> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .with_context(|| path.display().to_string())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut known = HashMap::new();
        let mut whole = 0;
        while let Some(prefix) = bytes[whole..].first_chunk::<PREFIX>() {
            let start = whole + PREFIX;
            let Some(body) = bytes.get(start..start + codec::frame_len(*prefix)?) else {
                break;
            };
            let (id, key, credentials): (NodeId, String, Credentials) =
                codec::decode(body).with_context(|| path.display().to_string())?;
            known.insert(id, (key, credentials));
            whole = start + body.len();
        }
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Roll { file, tree, known })
    }

    /// The member of this id, when its certificate is still good.
    pub fn member(&self, id: &NodeId) -> Option<Enrolled> {
        let (pem, credentials) = self.known.get(id)?;
        let key = LinkKey::from_pem(pem).ok()?;
        enrolled(self.tree, &key, credentials).ok()
    }

    /// Keeps what a minion was given.
    ///
    /// # Errors
    /// When the credentials are no good, or the file can't be written.
    pub fn add(
        &mut self,
        id: &NodeId,
        key: &LinkKey,
        credentials: &Credentials,
    ) -> anyhow::Result<Enrolled> {
        let enrolled = enrolled(self.tree, key, credentials)?;
        let entry = (id.clone(), key.to_pem().to_string(), credentials.clone());
        let frame = codec::frame(&entry).map_err(io::Error::other)?;
        self.file.write_all(&frame)?;
        Ok(enrolled)
    }
}

fn enrolled(tree: TreeId, key: &LinkKey, credentials: &Credentials) -> anyhow::Result<Enrolled> {
    let (member, _) = verify_credentials(&tree, key, None, credentials, unix_now())?;
    let tls = TlsIdentity::member(key, credentials)?;
    Ok(Enrolled {
        member,
        identity: Identity { tree, tls },
        trust: credentials.trust.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pki::{
        AdmissionGrant, AdmissionRequest, Authority, CaKey, ChildSpec, JobKey, Lifetimes, TreeRoot,
    };
    use wire::{Role, SitePath};

    /// A top-master's right to certify minions.
    fn authority() -> (TreeId, Authority) {
        let (lifetimes, now) = (Lifetimes::default(), unix_now());
        let root = TreeRoot::create(&lifetimes, now).unwrap();
        let (link, ca) = (LinkKey::generate().unwrap(), CaKey::generate().unwrap());
        let job = JobKey::generate().unwrap();
        let request = AdmissionRequest::new(&"top".parse().unwrap(), &link, &ca, &job).unwrap();
        let grant = AdmissionGrant::new(&root, &request, None, &lifetimes, now).unwrap();
        let copy = CaKey::from_pem(&ca.to_pem()).unwrap();
        let given = grant.apply(&root.tree(), &link, copy, &job.public(), &lifetimes, now);
        let authority = Authority::new(&root.tree(), ca, given.unwrap().ca_chain, now).unwrap();
        (root.tree(), authority)
    }

    fn enrol(roll: &mut Roll, authority: &Authority, id: &str) -> Enrolled {
        let (id, key): (NodeId, _) = (id.parse().unwrap(), LinkKey::generate().unwrap());
        let child = ChildSpec {
            id: &id,
            role: Role::Minion,
            path: &SitePath::top(),
            link_csr: &key.csr().unwrap(),
            ca_csr: &[],
        };
        let credentials = authority
            .issue(&child, &Lifetimes::default(), unix_now(), (*b"").into())
            .unwrap();
        roll.add(&id, &key, &credentials).unwrap()
    }

    #[test]
    fn members_are_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("roll");
        let (tree, authority) = authority();
        let mut roll = Roll::open(&path, tree).unwrap();
        let one = enrol(&mut roll, &authority, "m1");
        enrol(&mut roll, &authority, "m2");

        let roll = Roll::open(&path, tree).unwrap();
        let found = roll.member(&"m1".parse().unwrap()).unwrap();
        assert_eq!(found.member.uid, one.member.uid);
        assert!(roll.member(&"m2".parse().unwrap()).is_some());
        assert!(roll.member(&"m3".parse().unwrap()).is_none());
        // Certificates of another tree are as good as none.
        let other = Roll::open(&path, self::authority().0).unwrap();
        assert!(other.member(&"m1".parse().unwrap()).is_none());
    }

    #[test]
    fn an_entry_that_was_cut_off_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("roll");
        let (tree, authority) = authority();
        let mut roll = Roll::open(&path, tree).unwrap();
        enrol(&mut roll, &authority, "m1");
        enrol(&mut roll, &authority, "m2");
        let whole = std::fs::metadata(&path).unwrap().len();
        roll.file.set_len(whole - 1).unwrap();

        let mut roll = Roll::open(&path, tree).unwrap();
        assert!(roll.member(&"m2".parse().unwrap()).is_none());
        enrol(&mut roll, &authority, "m2");
        let roll = Roll::open(&path, tree).unwrap();
        for id in ["m1", "m2"] {
            assert!(roll.member(&id.parse().unwrap()).is_some(), "{id}");
        }
    }
}
