//! Templates of our own beside what Jinja2 and Salt made of them: `jinja.json` holds each with Salt's text or error.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sls::render::{Files, Functions, NoForeign, RenderError, Renderer, Source};

/// Where we differ, and why.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "{{ 'a: [' | load_yaml }}",
        "our YAML says the fault in one sentence",
    ),
    (
        "{% load_yaml as x %}\na: [\n{% endload %}",
        "our YAML says the fault in one sentence",
    ),
    (
        "{{ salt.no.such() }}",
        "the caller knows functions, not modules: the function is named",
    ),
    (
        "{% from 'm.jinja' import nope %}{{ nope }}",
        "we name the file of the import as well",
    ),
    (
        "{% from 'no.jinja' import x %}",
        "we say that the file is missing, not only its name",
    ),
    (
        "{% include 'no.txt' %}",
        "we say that the file is missing, not only its name",
    ),
    (
        "{% from '../../../c.jinja' import y %}{{ y }}",
        "we say that the file is missing, not only its name",
    ),
    (
        "{% for x in [1, 2] %}{% include 'i.txt' %}{% endfor %}",
        "Jinja hides `loop` from an include if the loop itself does not read it",
    ),
    (
        "{{ 'Hello'|to_bytes }}",
        "bytes are the text that they stand for",
    ),
];

struct Tree(BTreeMap<String, String>);

impl Files for Tree {
    fn read(&self, _: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.get(path).map(|text| text.clone().into_bytes()))
    }
}

/// The functions that the goldens were made with.
struct Table(Value);

impl Functions for Table {
    fn has(&self, name: &str) -> bool {
        [
            "test.echo",
            "test.args",
            "pillar.get",
            "test.fail",
            "defaults.merge",
        ]
        .contains(&name)
    }

    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &Map<String, Value>,
    ) -> Result<Value, String> {
        let argument = |index: usize| args.get(index).cloned();
        match name {
            "test.echo" => argument(0).ok_or_else(|| "no argument".to_owned()),
            "defaults.merge" => {
                let of = |index, word: &str| {
                    let given = argument(index).or_else(|| kwargs.get(word).cloned());
                    given
                        .and_then(|map| map.as_object().cloned())
                        .unwrap_or_default()
                };
                let (mut below, over) = (of(0, "dest"), of(1, "src"));
                below.extend(over);
                Ok(Value::Object(below))
            }
            "test.args" => Ok(json!({"args": args, "kwargs": kwargs})),
            "pillar.get" => {
                let key = argument(0).unwrap_or_default();
                let mut path = key.as_str().unwrap_or_default().split(':');
                let found = path.try_fold(&self.0, |value, part| value.get(part));
                Ok(found
                    .cloned()
                    .unwrap_or_else(|| argument(1).unwrap_or_else(|| json!(""))))
            }
            _ => Err("it broke".to_owned()),
        }
    }
}

fn render(template: &str, files: &Value) -> Result<String, Box<RenderError>> {
    let tree = files.as_object().into_iter().flatten();
    let tree = Tree(
        tree.map(|(path, text)| (path.clone(), text.as_str().unwrap_or_default().to_owned()))
            .collect(),
    );
    let pillar = json!({"name": "x", "a": {"b": 1}, "list": [1, 2], "text": "l1\nl2"});
    let renderer = Renderer {
        files: &tree,
        functions: &Table(pillar.clone()),
        foreign: &NoForeign,
        grains: &json!({"os": "Debian", "os_family": "Debian", "osmajorrelease": 12, "id": "m1"}),
        pillar: &pillar,
        opts: &json!({"test": false, "id": "m1"}),
    };
    renderer.template(&Source {
        saltenv: "base",
        sls: "web.sub.site",
        path: "web/sub/site.sls",
        text: template.as_bytes(),
        context: Map::new(),
    })
}

#[test]
fn as_salt_does() {
    let probes: Vec<Value> =
        serde_json::from_str(include_str!("jinja.json")).expect("the probes are JSON");
    let mut faults = Vec::new();
    let mut different = 0;
    for probe in &probes {
        let template = probe["template"].as_str().expect("a template");
        let result = render(template, &probe["files"]);
        let fault = match (&result, probe["expected"].as_str()) {
            (Ok(text), Some(expected)) if text == expected => continue,
            (Ok(text), Some(expected)) => format!("{text:?}, not {expected:?}"),
            (Err(error), Some(expected)) => format!("{error}, not {expected:?}"),
            (Ok(text), None) => format!("{text:?}, not the error {}", probe["error"]),
            (Err(error), None) => {
                let words = probe["error"].as_str().unwrap_or_default();
                let first = error.message.lines().next().unwrap_or_default();
                let is_line_equal = probe["line"]
                    .as_u64()
                    .is_none_or(|line| error.line == Some(line as usize));
                if first == words && is_line_equal {
                    continue;
                }
                format!(
                    "error {first:?} in line {:?}, not {words:?} in line {}",
                    error.line, probe["line"]
                )
            }
        };
        let is_known = DIFFERENT.iter().any(|(known, _)| *known == template);
        different += usize::from(is_known);
        if !is_known {
            faults.push(format!("{template:?}\n    {fault}"));
        }
    }
    let count = probes.len();
    assert_eq!(
        different,
        DIFFERENT.len(),
        "a difference is gone: take it off the list"
    );
    assert!(
        faults.is_empty(),
        "{} of {count} differ:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn merges_change_the_dictionaries_of_templates() {
    let check = |merge: &str, expected: &str| {
        let template = format!(
            "{{% set map = {{'a': 1}} %}}{{% set same = map %}}{{% do {merge} %}}{{{{ same }}}}"
        );
        assert_eq!(render(&template, &json!({})).unwrap(), expected, "{merge}");
    };
    check("salt['defaults.merge'](map, {'b': 2})", "{'a': 1, 'b': 2}");
    check(
        "salt.defaults.merge(dest=map, src={'b': 2})",
        "{'a': 1, 'b': 2}",
    );
    check(
        "salt['defaults.merge'](map, {'b': 2}, False, False)",
        "{'a': 1}",
    );
    check(
        "salt['defaults.merge'](map, {'b': 2}, in_place=False)",
        "{'a': 1}",
    );
    check("salt['test.args'](map, {'b': 2})", "{'a': 1}");
}
