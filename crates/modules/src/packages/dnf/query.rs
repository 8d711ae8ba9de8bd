//! What dnf tells, read into lists.

use serde_json::{Value, json};

use super::Packages;

/// Reads a list: name with architecture, version, repository.
pub(super) fn listed(text: &str, architecture: &str) -> Vec<(String, String)> {
    let package = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, version, _) = (words.next()?, words.next()?, words.next()?);
        let (bare, of) = name.rsplit_once('.')?;
        let is_version =
            version.contains('-') && version.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_own = of == "noarch" || architecture.is_empty() || of == architecture;
        is_version.then(|| {
            (
                if is_own {
                    bare.to_owned()
                } else {
                    name.to_owned()
                },
                version.to_owned(),
            )
        })
    };
    text.lines().filter_map(package).collect()
}

/// Reads a lock: `bash-0:5.1.8-6.el9.*`.
pub(super) fn lock(line: &str) -> Option<(String, String)> {
    let line = line.trim().trim_start_matches('!');
    let (name, rest) = line
        .split_once(':')
        .and_then(|(head, rest)| Some((head.rsplit_once('-')?, rest)))?;
    let (name, epoch) = name;
    let epoch = if epoch == "0" {
        String::new()
    } else {
        format!("{epoch}:")
    };
    Some((
        name.to_owned(),
        format!("{epoch}{}", rest.trim_end_matches(".*")),
    ))
}

/// Reads the members of a group, by sort and by whether they are there.
pub(super) fn members(text: &str, installed: &Packages) -> Value {
    let mut found = json!({});
    for sort in ["mandatory", "optional", "default", "conditional"] {
        found[sort] = json!({"installed": [], "not installed": []});
    }
    let mut sort = "";
    for line in text.lines().map(str::trim) {
        if let Some(head) = line.strip_suffix(':') {
            sort = match head
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_lowercase()
                .as_str()
            {
                "mandatory" => "mandatory",
                "optional" => "optional",
                "default" => "default",
                "conditional" => "conditional",
                _ => "",
            };
        } else if !sort.is_empty() && !line.is_empty() {
            let name = line.trim_start_matches(['+', '-', '=']);
            let state = if installed.contains_key(name) {
                "installed"
            } else {
                "not installed"
            };
            found[sort][state]
                .as_array_mut()
                .into_iter()
                .for_each(|list| list.push(json!(name)));
        }
    }
    found
}
