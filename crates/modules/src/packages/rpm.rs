//! The database of RPM, which several package managers share.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Packages, add};
use crate::failure::Failure;
use crate::tools::{Tools, Way};

/// A line for each package: name, epoch, version, release, architecture.
const FORMAT: &str = "%{NAME}\\t%|EPOCH?{%{EPOCH}}:{}|\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\n";

/// Fields of a package, for [`info`].
const INFO: &str = "%{NAME}\x1fversion\x1e%{VERSION}\x1frelease\x1e%{RELEASE}\x1farch\x1e%{ARCH}\x1fvendor\x1e%{VENDOR}\x1f\
     license\x1e%{LICENSE}\x1fgroup\x1e%{GROUP}\x1furl\x1e%{URL}\x1fpackager\x1e%{PACKAGER}\x1fsummary\x1e%{SUMMARY}\x1f\
     source\x1e%{SOURCERPM}\x1fsize\x1e%{SIZE}\x1finstall_date_time_t\x1e%{INSTALLTIME}\x1fbuild_date_time_t\x1e%{BUILDTIME}\x1f\
     description\x1e%{DESCRIPTION}\x1d";

/// The name and the version of a line of [`FORMAT`]. Packages of a foreign architecture have it in their name.
fn package(line: &str, architecture: &str) -> Option<(String, String)> {
    let mut fields = line.split('\t');
    let (name, epoch, version, release, of) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    // The key of a repository is kept as a package and is none.
    if name == "gpg-pubkey" {
        return None;
    }
    let epoch = if matches!(epoch, "" | "0") {
        String::new()
    } else {
        format!("{epoch}:")
    };
    let is_own = matches!(of, "noarch" | "(none)") || architecture.is_empty() || of == architecture;
    let name = if is_own {
        name.to_owned()
    } else {
        format!("{name}.{of}")
    };
    Some((name, format!("{epoch}{version}-{release}")))
}

/// The installed packages.
pub(super) fn installed(tools: &Tools, architecture: &str) -> Result<Packages, Failure> {
    let mut packages = Packages::new();
    for (name, version) in tools
        .output(&["rpm", "-qa", "--queryformat", FORMAT])?
        .lines()
        .filter_map(|line| package(line, architecture))
    {
        add(&mut packages, &name, &version);
    }
    Ok(packages)
}

/// The package that a file belongs to; empty for none.
pub(super) fn owner(tools: &Tools, path: &str) -> Result<String, Failure> {
    let finished = tools.run(
        &["rpm", "-qf", "--queryformat", "%{NAME}", path],
        &Way::default(),
    )?;
    Ok(if finished.retcode == 0 {
        finished.stdout.to_string()
    } else {
        String::new()
    })
}

/// The files of a package.
pub(super) fn files(tools: &Tools, name: &str) -> Result<Vec<String>, Failure> {
    let finished = tools.run(&["rpm", "-ql", name], &Way::default())?;
    if finished.retcode != 0 {
        return Err(Failure::command(format!(
            "Package '{name}' is not installed"
        )));
    }
    Ok(finished
        .stdout
        .lines()
        .filter(|line| line.starts_with('/'))
        .map(str::to_owned)
        .collect())
}

/// Name and version of a package file.
pub(super) fn file_info(
    tools: &Tools,
    path: &str,
    architecture: &str,
) -> Result<(String, String), Failure> {
    if !Path::new(path).is_file() {
        return Err(Failure::command(format!("{path} does not exist on minion")));
    }
    let told = tools.output(&["rpm", "-qp", "--nosignature", "--queryformat", FORMAT, path])?;
    told.lines()
        .find_map(|line| package(line, architecture))
        .ok_or_else(|| Failure::command(format!("Unable to get info for {path}")))
}

/// What is known of installed packages.
pub(super) fn info(tools: &Tools, names: &[String]) -> Result<Value, Failure> {
    let mut argv = vec!["rpm", "-q", "--queryformat", INFO];
    if names.is_empty() {
        argv.push("-a");
    }
    argv.extend(names.iter().map(String::as_str));
    let finished = tools.run(&argv, &Way::default())?;
    if finished.retcode != 0 {
        return Err(Failure::command(format!("Error: {}", finished.stdout)));
    }
    let mut all = Map::new();
    for record in finished
        .stdout
        .split('\x1d')
        .filter(|record| !record.trim().is_empty())
    {
        let mut fields = record.trim_start().split('\x1f');
        let name = fields.next().unwrap_or_default().to_owned();
        let known = fields
            .filter_map(|field| field.split_once('\x1e'))
            .filter(|(_, value)| *value != "(none)");
        all.insert(
            name,
            known
                .map(|(key, value)| (key.to_owned(), json!(value)))
                .collect(),
        );
    }
    Ok(Value::Object(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read() {
        let check = |line: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(name, version)| (name.to_owned(), version.to_owned()));
            assert_eq!(package(line, "x86_64"), expected, "{line}");
        };
        check(
            "bash\t\t5.1.8\t6.el9\tx86_64",
            Some(("bash", "5.1.8-6.el9")),
        );
        check(
            "dbus\t1\t1.12\t8.el9\tx86_64",
            Some(("dbus", "1:1.12-8.el9")),
        );
        check("tzdata\t0\t2024a\t1\tnoarch", Some(("tzdata", "2024a-1")));
        check("glibc\t\t2.34\t1\ti686", Some(("glibc.i686", "2.34-1")));
        check("gpg-pubkey\t\tabc\t1\t(none)", None);
        check("odd", None);
    }
}
