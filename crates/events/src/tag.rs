//! Tags: the names of kinds of events, with slashes between their parts.

use wire::Jid;
use wire::limits::{MAX_EVENT_TAG, MINIONS_JID_NUMBER};

/// Why a text is no tag that a minion may send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// It has no character.
    #[error("the tag is empty")]
    Empty,
    /// It is too long.
    #[error("the tag has {0} bytes, and at most {MAX_EVENT_TAG} travel")]
    Long(usize),
    /// It has characters that no terminal should be shown.
    #[error("the tag has control characters")]
    Control,
    /// Hubs say so themselves, and reactors rely on it.
    #[error(
        "tags that begin with salt/ or banyan/ are made by hubs: choose another beginning for {0:?}"
    )]
    Reserved(String),
}

/// Checks a tag that the minion with this id sends. Below `salt/` and `banyan/` a minion has only what carries its own id: progress
/// and results of states, beacons, returns of jobs that it began itself.
///
/// # Errors
/// [`TagError`], in words for who chose the tag.
pub fn check(tag: &str, id: &str) -> Result<(), TagError> {
    if tag.is_empty() {
        return Err(TagError::Empty);
    }
    if tag.len() > MAX_EVENT_TAG {
        return Err(TagError::Long(tag.len()));
    }
    if tag.chars().any(char::is_control) {
        return Err(TagError::Control);
    }
    let mut parts = tag.split('/');
    let is_own = match parts.next() {
        Some("banyan") => false,
        Some("salt") => match parts.next() {
            Some("state_result") => parts.nth(1) == Some(id),
            Some("job") => match (parts.next(), parts.next()) {
                (Some(_), Some("prog")) => parts.next() == Some(id),
                (Some(jid), Some("ret")) => {
                    is_of_minion(jid) && parts.next() == Some(id) && parts.next().is_none()
                }
                _ => false,
            },
            Some("beacon") => parts.next() == Some(id),
            _ => false,
        },
        _ => true,
    };
    if is_own {
        Ok(())
    } else {
        Err(TagError::Reserved(tag.to_owned()))
    }
}

/// Whether a jid is one that minions give.
fn is_of_minion(jid: &str) -> bool {
    jid.parse::<Jid>()
        .is_ok_and(|jid| jid.number() == MINIONS_JID_NUMBER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minions_have_their_own_tags_and_hubs_theirs() {
        for good in [
            "myco/build/done",
            "a",
            "salt/state_result/2026/web1/nginx",
            "salt/job/2026/prog/web1/3",
            "salt/job/20261122223719123099/ret/web1",
            "salt/beacon/web1/load/",
            "saltier/than/salt",
        ] {
            assert_eq!(check(good, "web1"), Ok(()), "{good}");
        }
        for bad in [
            "salt/job/2026/ret/web1",
            "salt/job/20261122223719123000/ret/web1",
            "salt/job/20261122223719123099/ret/web2",
            "salt/job/20261122223719123099/ret/web1/x",
            "salt/job/2026/prog/web2/3",
            "salt/state_result/web1",
            "salt/key",
            "salt/minion/web1/start",
            "salt",
            "banyan/site/eu/cut",
        ] {
            assert_eq!(
                check(bad, "web1"),
                Err(TagError::Reserved(bad.to_owned())),
                "{bad}"
            );
        }
        assert_eq!(check("", "web1"), Err(TagError::Empty));
        assert_eq!(check("a\nb", "web1"), Err(TagError::Control));
        let long = "x".repeat(MAX_EVENT_TAG + 1);
        assert_eq!(check(&long, "web1"), Err(TagError::Long(long.len())));
    }
}
