//! `pkg`: which packages are installed, by `dpkg-query` or `rpm`. Changing them is not served yet.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::{pattern, process, python};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "pkg.list_pkgs",
        "versions_as_list=False",
        "The installed packages with their versions; several versions of one package are joined by commas, or listed \
         with versions_as_list.",
        "pkg.list_pkgs",
        |args, env| {
            let all = installed(env)?;
            let show = |versions: Vec<String>| match args.flag("versions_as_list") {
                true => json!(versions),
                false => json!(versions.join(",")),
            };
            Ok(Value::Object(
                all.into_iter()
                    .map(|(name, versions)| (name, show(versions)))
                    .collect(),
            ))
        },
    ),
    Function::new(
        "pkg.version",
        "*names",
        "The installed version of a package, empty when it is not installed; a dictionary for several packages or a \
         shell pattern.",
        "pkg.version openssl curl",
        version,
    ),
];

fn version(args: &Args, env: &Env) -> Answer {
    let all = installed(env)?;
    let names: Vec<String> = args.extra_args.iter().map(python::text).collect();
    let mut found = Map::new();
    for name in &names {
        if name.contains(['*', '?']) {
            let Some(glob) = pattern::glob(name, false) else {
                continue;
            };
            let matching = all.iter().filter(|(installed, _)| glob.is_match(installed));
            found
                .extend(matching.map(|(name, versions)| (name.clone(), json!(versions.join(",")))));
        } else {
            found.insert(
                name.clone(),
                json!(
                    all.get(name)
                        .map(|versions| versions.join(","))
                        .unwrap_or_default()
                ),
            );
        }
    }
    match names.as_slice() {
        [] => Ok(json!("")),
        [one] if !one.contains(['*', '?']) => Ok(found.remove(one).unwrap_or_else(|| json!(""))),
        _ => Ok(Value::Object(found)),
    }
}

fn installed(env: &Env) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    if process::which("dpkg-query").is_some() {
        let argv = [
            "dpkg-query",
            "-f=${db:Status-Status}\\t${binary:Package}\\t${Version}\\n",
            "-W",
        ];
        return Ok(parse(&answer(&argv, env)?, "installed"));
    }
    if process::which("rpm").is_some() {
        let format = "installed\\t%{NAME}\\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\n";
        return Ok(parse(
            &answer(&["rpm", "-qa", "--queryformat", format], env)?,
            "installed",
        ));
    }
    Err(Failure::MissingProgram("dpkg-query or rpm".to_owned()))
}

fn answer(argv: &[&str], env: &Env) -> Result<String, Failure> {
    let finished = process::query(argv, env.cancel)?;
    if finished.retcode != 0 {
        return Err(Failure::command(finished.stderr.trim()));
    }
    Ok(finished.stdout.to_string())
}

/// Reads lines of state, name and version. The architecture of a foreign package (`:i386`) stays in its name.
fn parse(text: &str, wanted: &str) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split('\t');
        if let (Some(state), Some(name), Some(version)) = (words.next(), words.next(), words.next())
            && state == wanted
        {
            let versions = all.entry(name.to_owned()).or_default();
            versions.push(version.to_owned());
            versions.sort();
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn lists_are_read() {
        let text = "installed\tbash\t5.2\ninstalled\tkernel\t2\ninstalled\tkernel\t1\nconfig-files\told\t1\n";
        let expected = BTreeMap::from([
            ("bash".to_owned(), vec!["5.2".to_owned()]),
            ("kernel".to_owned(), vec!["1".to_owned(), "2".to_owned()]),
        ]);
        assert_eq!(parse(text, "installed"), expected);
    }

    #[test]
    fn this_host_tells_its_packages() {
        let host = Host::new();
        let outcome = host.call(Call::new("pkg.list_pkgs"));
        if process::which("dpkg-query").is_none() && process::which("rpm").is_none() {
            assert!(
                outcome
                    .value
                    .as_str()
                    .unwrap()
                    .starts_with("Command required for 'pkg.list_pkgs' not found")
            );
            return;
        }
        let (name, version) = outcome.value.as_object().unwrap().iter().next().unwrap();
        assert_eq!(
            host.call(Call::new("pkg.version").arg(name.as_str())).value,
            *version
        );
        assert_eq!(
            host.call(Call::new("pkg.version").arg("no-such-package"))
                .value,
            json!("")
        );
        let several = host
            .call(
                Call::new("pkg.version")
                    .arg(name.as_str())
                    .arg("no-such-package"),
            )
            .value;
        assert_eq!(several[name], *version);
    }
}
