//! What the programs of Debian tell, read into lists.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Apt, Listed, PackageManager, Packages, add};
use crate::failure::Failure;

/// Fields of installed packages, for [`info`].
pub(super) const INFO_FORMAT: &str = concat!(
    "-f=package:${Package}\\nrevision:${binary:Revision}\\narchitecture:${Architecture}\\nmaintainer:${Maintainer}\\n",
    "summary:${Summary}\\nsource:${source:Package}\\nversion:${Version}\\nsection:${Section}\\nsize:${Size}\\n",
    "MD5:${MD5sum}\\nSHA1:${SHA1}\\nSHA256:${SHA256}\\norigin:${Origin}\\nhomepage:${Homepage}\\n",
    "status:${db:Status-Abbrev}\\ninstall_date:${db-fsys:Last-Modified}\\ndescription:${Description}\\n\\n\x1e"
);

/// Reads lines of wish, flag, state, name, version and architecture.
pub(super) fn installed(
    text: &str,
    listed: Listed,
    named: impl Fn(&str, &str) -> String,
) -> Packages {
    let mut packages = Packages::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [wish, _, state, name, version, architecture] = words[..] else {
            continue;
        };
        let sort = match wish {
            // A package that is wished away is there until it has gone.
            "install" | "hold" | "deinstall" if state.contains("installed") => Listed::Installed,
            "deinstall" => Listed::Removed,
            "purge" if state == "installed" => Listed::PurgeDesired,
            _ => continue,
        };
        let is_listed =
            sort == listed || (listed == Listed::Installed && sort == Listed::PurgeDesired);
        if is_listed {
            add(&mut packages, &named(name, architecture), version);
        }
    }
    packages
}

/// Reads what `apt-get update` says of each list: fetched (true), as it was (null), failed (false); and the names of those that failed.
pub(super) fn fetched(text: &str) -> (Map<String, Value>, Vec<String>) {
    let (mut lists, mut failed) = (Map::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(kind) = words.next() else { continue };
        let name = words.collect::<Vec<_>>().join(" ");
        if kind.contains("Get") {
            let end = name.rfind(" [").filter(|_| name.ends_with("B]"));
            lists.insert(name[..end.unwrap_or(name.len())].to_owned(), json!(true));
        } else if kind.contains("Ign") {
            lists.insert(name, json!(false));
        } else if kind.contains("Hit") {
            lists.insert(name, Value::Null);
        } else if kind.contains("Err") {
            lists.insert(name.clone(), json!(false));
            failed.push(name);
        }
    }
    (lists, failed)
}

/// Reads the candidates of `apt-cache policy`; empty for a package without one.
pub(super) fn candidates(text: &str, names: &[String]) -> BTreeMap<String, String> {
    let bare = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    let is_named = |head: &str| {
        names
            .iter()
            .any(|name| name == head || bare(name) == bare(head))
    };
    let (mut found, mut at) = (BTreeMap::new(), String::new());
    for line in text.lines().map(str::trim) {
        if let Some(head) = line.strip_suffix(':')
            && !line.starts_with("Version table")
            && is_named(head)
        {
            at = head.to_owned();
        } else if line.starts_with("Candidate") {
            let version = line.split_whitespace().nth(1).unwrap_or_default();
            let version = if version.eq_ignore_ascii_case("(none)") {
                ""
            } else {
                version
            };
            found.insert(at.clone(), version.to_owned());
        }
    }
    found
}

/// The candidates that are shown, empty for the others. A name that is known only with an architecture stands for that.
pub(super) fn latest(
    names: &[String],
    candidates: &BTreeMap<String, String>,
    is_shown: impl Fn(&str, &str) -> bool,
) -> BTreeMap<String, String> {
    let foreign = names
        .iter()
        .filter(|name| !candidates.contains_key(*name))
        .flat_map(|name| {
            let prefix = format!("{name}:");
            candidates
                .keys()
                .filter(move |known| known.starts_with(&prefix))
        });
    let mut latest = BTreeMap::new();
    for name in names.iter().chain(foreign) {
        let candidate = candidates.get(name).map(String::as_str).unwrap_or_default();
        let shown = if is_shown(name, candidate) {
            candidate
        } else {
            ""
        };
        latest.insert(name.clone(), shown.to_owned());
    }
    latest
}

/// Reads the versions of `apt-cache show` or `dump`.
pub(super) fn offered(text: &str) -> Packages {
    let mut packages = Packages::new();
    let mut name = "";
    for line in text.lines() {
        if let Some(package) = line.strip_prefix("Package: ") {
            name = package.trim();
        } else if let Some(version) = line.trim().strip_prefix("Version:")
            && !name.is_empty()
        {
            packages
                .entry(name.to_owned())
                .or_default()
                .push(version.trim().to_owned());
        }
    }
    packages
}

/// Reads the packages that a simulated upgrade configures.
pub(super) fn configured(text: &str) -> BTreeMap<String, String> {
    let package = |line: &str| {
        let (name, rest) = line.strip_prefix("Conf ")?.split_once(" (")?;
        Some((name.to_owned(), rest.split_whitespace().next()?.to_owned()))
    };
    text.lines().filter_map(package).collect()
}

/// Reads the packages that `autoremove` would remove.
pub(super) fn to_be_removed(text: &str) -> Vec<String> {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.contains("The following packages will be REMOVED:"));
    lines.next();
    let listed = lines.take_while(|line| line.starts_with(' '));
    let mut names: Vec<String> = listed
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

/// Reads the records of [`INFO_FORMAT`] into the words of Salt.
pub(super) fn info(text: &str, documents: &Path) -> Map<String, Value> {
    let mut all = Map::new();
    for record in text.split('\x1e') {
        let Some((fields, description)) = record.trim_start().split_once("\ndescription:") else {
            continue;
        };
        let mut known = Map::new();
        let mut is_installed = true;
        let mut package = String::new();
        for (key, value) in fields
            .lines()
            .filter_map(|line| line.trim().split_once(':'))
        {
            if value.is_empty() {
                continue;
            }
            match key {
                "package" => {
                    package = value.to_owned();
                    known.insert("name".to_owned(), json!(value));
                }
                "status" => is_installed = value.chars().nth(1) == Some('i'),
                "origin" => drop(known.insert("vendor".to_owned(), json!(value))),
                "section" => drop(known.insert("group".to_owned(), json!(value))),
                "maintainer" => drop(known.insert("packager".to_owned(), json!(value))),
                "homepage" => drop(known.insert("url".to_owned(), json!(value))),
                "install_date" => {
                    let second = value
                        .parse()
                        .ok()
                        .and_then(|second| jiff::Timestamp::from_second(second).ok());
                    known.extend(second.map(|second| (key.to_owned(), json!(second.to_string()))));
                }
                _ => drop(known.insert(key.to_owned(), json!(value))),
            }
        }
        known.insert(
            "description".to_owned(),
            json!(description.strip_suffix('\n').unwrap_or(description)),
        );
        if let Some(license) = license(&documents.join(&package).join("copyright")) {
            known.insert("license".to_owned(), json!(license));
        }
        if is_installed && !package.is_empty() {
            all.insert(package, Value::Object(known));
        }
    }
    all
}

fn license(copyright: &Path) -> Option<String> {
    let text = fs::read(copyright).ok()?;
    let text = String::from_utf8_lossy(&text);
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("License:"));
    let names: std::collections::BTreeSet<&str> = names.map(str::trim).collect();
    (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(", "))
}

/// The package files below a directory.
pub(super) fn downloaded(apt: &Apt, directory: &Path) -> Result<Map<String, Value>, Failure> {
    let mut found = Map::new();
    let mut directories = vec![directory.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "deb") {
                continue;
            }
            let shown = path.to_string_lossy().into_owned();
            let (name, version) = apt.file_info(&shown)?;
            let metadata = fs::metadata(&path).map_err(|error| Failure::io(&path, error))?;
            let created = std::os::unix::fs::MetadataExt::ctime(&metadata);
            let time = jiff::Timestamp::from_second(created).unwrap_or_default();
            let known = json!({
                "path": shown,
                "size": metadata.len(),
                "creation_date_time_t": created,
                "creation_date_time": time.to_string().trim_end_matches('Z'),
            });
            let versions = found.entry(name).or_insert_with(|| json!({}));
            versions[version] = known;
        }
    }
    Ok(found)
}
