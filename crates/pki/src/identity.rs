//! The name in a certificate: which tree, what for, who, where.

use std::fmt;
use std::str::FromStr;

use wire::{NodeId, Role, SitePath, TreeId, Uid};

const SCHEME: &str = "urn:banyan:";

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKind {
    /// Speaks on a link.
    Link,
    /// Certifies the children of a hub.
    Ca,
}

/// The identity in a certificate's only URI name: `urn:banyan:<tree>:<link|ca>:<role>:<uid>:<id>:<site path>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The tree.
    pub tree: TreeId,
    /// What the certificate is for.
    pub kind: CertificateKind,
    /// What the node is.
    pub role: Role,
    /// The node's uid, of its link key in both kinds.
    pub uid: Uid,
    /// The node's id.
    pub id: NodeId,
    /// Where it sits.
    pub path: SitePath,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            CertificateKind::Link => "link",
            CertificateKind::Ca => "ca",
        };
        let Identity {
            tree,
            role,
            uid,
            id,
            path,
            ..
        } = self;
        write!(f, "{SCHEME}{tree}:{kind}:{role}:{uid}:{id}:{path}")
    }
}

impl FromStr for Identity {
    type Err = ();

    /// Reads exactly what `Display` writes: a second spelling of a name is no name.
    fn from_str(text: &str) -> Result<Self, ()> {
        let fields: Vec<&str> = text.strip_prefix(SCHEME).ok_or(())?.split(':').collect();
        let [tree, kind, role, uid, id, path] = fields[..] else {
            return Err(());
        };
        let identity = Identity {
            tree: tree.parse()?,
            kind: match kind {
                "link" => CertificateKind::Link,
                "ca" => CertificateKind::Ca,
                _ => return Err(()),
            },
            role: role.parse()?,
            uid: uid.parse()?,
            id: id.parse().map_err(|_| ())?,
            path: path.parse().map_err(|_| ())?,
        };
        (identity.to_string() == text).then_some(identity).ok_or(())
    }
}

/// The name that a node without a certificate of the tree gives itself. Nobody believes it.
pub(crate) fn stranger_name(role: Role, id: &NodeId) -> String {
    format!("{SCHEME}stranger:{role}:{id}")
}

/// The name of a root's certificate, for people; nodes look at the key only.
pub(crate) fn root_name(tree: &TreeId) -> String {
    format!("{SCHEME}{tree}:root")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Identity {
        Identity {
            tree: TreeId([0xab; 32]),
            kind: CertificateKind::Ca,
            role: Role::Syndic,
            uid: Uid([1; 16]),
            id: "ams.example".parse().unwrap(),
            path: "eu/ams".parse().unwrap(),
        }
    }

    #[test]
    fn a_name_reads_back() {
        for path in ["", "eu", "eu/ams"] {
            let identity = Identity {
                path: path.parse().unwrap(),
                ..sample()
            };
            assert_eq!(identity.to_string().parse(), Ok(identity));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let good = sample().to_string();
        for bad in [
            String::new(),
            good.to_uppercase(),
            good.replace("abab", "ABAB"),
            good.replacen("ab", "ab:", 1),
            good.replace(":ca:", ":root:"),
            good.replace("syndic", "minions"),
            good.replace("eu/ams", "eu//ams"),
            good.replace("eu/ams", "eu/../ams"),
            format!("{good}:"),
            format!("{good}:x"),
            stranger_name(Role::Minion, &sample().id),
            root_name(&sample().tree),
        ] {
            assert_eq!(bad.parse::<Identity>(), Err(()), "{bad}");
        }
    }
}
