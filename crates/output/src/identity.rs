//! Who this hub is.

use wire::control::Identity;

use crate::escape::escape;
use crate::tree::site_name;

/// Names, fingerprints and rights of a hub, a line each. The tree's fingerprint is what new nodes pin.
pub fn identity(identity: &Identity) -> String {
    let jobs = match &identity.job_scope {
        None => "may not order jobs".to_owned(),
        Some(scope) if scope.is_empty() => "may order jobs in the whole tree".to_owned(),
        Some(scope) => format!("may order jobs in {}", escape(scope)),
    };
    let lines = [
        ("id", escape(&identity.id).into_owned()),
        ("role", identity.role.to_string()),
        ("site", site_name(&identity.path)),
        ("version", escape(&identity.software).into_owned()),
        (
            "tree fingerprint",
            escape(&identity.tree_fingerprint).into_owned(),
        ),
        (
            "own fingerprint",
            escape(&identity.fingerprint).into_owned(),
        ),
        (
            "trust bundle",
            format!("version {}", identity.trust_version),
        ),
        ("jobs", jobs),
    ];
    lines
        .iter()
        .map(|(name, value)| format!("{:<18}{value}\n", format!("{name}:")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Role;

    #[test]
    fn names_fingerprints_and_rights() {
        let mut words = Identity {
            id: "ams1".to_owned(),
            role: Role::Syndic,
            path: "eu/ams".to_owned(),
            software: "0.1.0".to_owned(),
            tree_fingerprint: "aa:bb".to_owned(),
            fingerprint: "cc:dd".to_owned(),
            trust_version: 7,
            job_scope: Some("eu/ams".to_owned()),
        };
        assert_eq!(
            identity(&words),
            "id:               ams1\nrole:             syndic\nsite:             eu/ams\nversion:          0.1.0\n\
             tree fingerprint: aa:bb\nown fingerprint:  cc:dd\ntrust bundle:     version 7\njobs:             may order jobs in eu/ams\n"
        );
        words.job_scope = None;
        assert!(identity(&words).ends_with("may not order jobs\n"));
        words.job_scope = Some(String::new());
        assert!(identity(&words).ends_with("in the whole tree\n"));
    }
}
