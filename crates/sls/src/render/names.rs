//! The names that tell a template where it stands.

use serde_json::{Map, Value};

use super::Source;

/// `sls`, `tpldir` and their kin.
pub(super) fn of(source: &Source<'_>) -> Map<String, Value> {
    let mut names = Map::new();
    let mut set = |name: &str, value: &str| {
        names.insert(name.to_owned(), Value::String(value.to_owned()));
    };
    let path = source.path;
    let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
    set("saltenv", source.saltenv);
    set("env", source.saltenv);
    set("tplpath", path);
    set("tplfile", path);
    set("tpldir", if dir.is_empty() { "." } else { dir });
    set("tpldot", &dir.replace('/', "."));
    set(
        "tplroot",
        path.split('/')
            .next()
            .filter(|_| !dir.is_empty())
            .unwrap_or("."),
    );
    if !source.sls.is_empty() {
        set("sls", source.sls);
        set("slspath", dir);
        set("slsdotpath", &dir.replace('/', "."));
        set("slscolonpath", &dir.replace('/', ":"));
        set("sls_path", &dir.replace('/', "_"));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, sls: &str, expected: &[(&str, Option<&str>)]) {
        let source = Source {
            saltenv: "base",
            sls,
            path,
            ..Source::default()
        };
        let names = of(&source);
        for (name, value) in expected {
            assert_eq!(
                names.get(*name).and_then(Value::as_str),
                *value,
                "{name} of {path}"
            );
        }
    }

    #[test]
    fn names_of_files() {
        check(
            "a/b/c.sls",
            "a.b.c",
            &[
                ("sls", Some("a.b.c")),
                ("tplfile", Some("a/b/c.sls")),
                ("tpldir", Some("a/b")),
                ("tpldot", Some("a.b")),
                ("tplroot", Some("a")),
                ("slspath", Some("a/b")),
                ("slsdotpath", Some("a.b")),
                ("slscolonpath", Some("a:b")),
                ("sls_path", Some("a_b")),
            ],
        );
        check(
            "a/init.sls",
            "a",
            &[
                ("tpldir", Some("a")),
                ("slspath", Some("a")),
                ("tplroot", Some("a")),
            ],
        );
        check(
            "top.sls",
            "top",
            &[
                ("tpldir", Some(".")),
                ("tpldot", Some("")),
                ("slspath", Some("")),
            ],
        );
        check(
            "a/f.conf",
            "",
            &[("tpldir", Some("a")), ("sls", None), ("slspath", None)],
        );
    }
}
