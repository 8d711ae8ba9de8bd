//! What comes from outside of the roots, limits, and what a minion must not see.

use pillar::{External, INCLUDE_DEPTH_MAX, NoExternal};
use serde_json::{Map, Value, json};
use sls::render::{Data, Foreign, NoForeign, Step};

use crate::tree::{Outside, pillar_of, pillar_within};

struct Source;

impl External for Source {
    fn values(
        &self,
        name: &str,
        configuration: &Value,
        id: &str,
        pillar: &Value,
    ) -> Option<Result<Value, String>> {
        match name {
            "given" => Some(Ok(configuration.clone())),
            "seen" => Some(Ok(json!({"id": id, "seen": pillar}))),
            "broken" => Some(Err("no route".to_owned())),
            _ => None,
        }
    }
}

/// A renderer that takes the brackets from texts.
struct Brackets;

impl Foreign for Brackets {
    fn render(
        &self,
        step: &Step,
        _: &sls::render::Source<'_>,
        input: &Data,
    ) -> Option<Result<Data, String>> {
        if step.name != "gpg" {
            return None;
        }
        Some(match input {
            Data::Text(text) => match text
                .strip_prefix('<')
                .and_then(|text| text.strip_suffix('>'))
            {
                Some(text) => Ok(Data::Text(text.to_owned())),
                None => Err("it is no message".to_owned()),
            },
            Data::Tree(_) => Err("it is no text".to_owned()),
        })
    }
}

fn values(case: &Value) -> Value {
    let outside = Outside {
        foreign: &Brackets,
        external: &Source,
    };
    Value::Object(pillar_within(case, &outside).values)
}

fn case(files: Value, options: Value) -> Value {
    json!({"files": files, "options": options})
}

#[test]
fn external_sources_lie_over_the_files() {
    let files =
        json!({"base/top.sls": "base:\n  '*': [a]\n", "base/a.sls": "x: file\nm: {a: 1}\n"});
    let sources =
        json!([{"given": {"x": "external", "m": {"b": 2}}}, {"seen": null}, {"unknown": 1}]);
    assert_eq!(
        values(&case(files.clone(), json!({"ext_pillar": sources}))),
        json!({
            "x": "external", "m": {"a": 1, "b": 2}, "id": "minion",
            "seen": {"x": "external", "m": {"a": 1, "b": 2}},
        })
    );
    let excluded = json!({"ext_pillar": sources, "exclude_ext_pillar": ["given", "seen"]});
    assert_eq!(
        values(&case(files.clone(), excluded)),
        json!({"x": "file", "m": {"a": 1}})
    );
    let broken = json!({"ext_pillar": [{"broken": 1}, "odd"]});
    assert_eq!(
        values(&case(files, broken))["_errors"],
        json!([
            "Failed to load ext_pillar broken: no route",
            "The \"ext_pillar\" option is malformed",
        ])
    );
}

#[test]
fn files_may_see_external_values() {
    let files = json!({
        "base/top.sls": "base:\n  'role:web':\n    - match: pillar\n    - a\n",
        "base/a.sls": "x: {{ pillar.role }}{{ salt['pillar.get']('role') }}\n",
    });
    let options =
        json!({"ext_pillar": [{"given": {"role": "web", "x": "below"}}], "ext_pillar_first": true});
    assert_eq!(
        values(&case(files, options)),
        json!({"role": "web", "x": "webweb"})
    );
}

#[test]
fn values_are_decrypted() {
    let files = json!({
        "base/top.sls": "base:\n  '*': [a]\n",
        "base/a.sls": "secrets: {one: '<1>', two: plain}\nother: '<x>'\n",
    });
    let options = json!({"decrypt_pillar": ["secrets:one", {"secrets:two": "gpg"}, "none", {"other": "age"}]});
    assert_eq!(
        values(&case(files, options)),
        json!({
            "secrets": {"one": "1", "two": "plain"}, "other": "<x>",
            "_errors": [
                "Failed to decrypt pillar key 'secrets:two': it is no message",
                "Failed to decrypt pillar key 'other': 'age' is not a valid decryption renderer: decrypt_pillar_renderers has to name it",
            ],
        })
    );
}

#[test]
fn details_stay_with_who_compiles() {
    let files = json!({
        "base/top.sls": "base:\n  '*': [a]\n",
        "base/a.sls": "x: {{ salt['cmd.run']('secret') }}\n",
    });
    let pillar = pillar_of(&case(files.clone(), json!({})));
    let told = json!(["Rendering SLS 'a' failed. Please see master log for details."]);
    assert_eq!(pillar.values["_errors"], told);
    assert!(
        pillar
            .details
            .iter()
            .any(|detail| detail.contains("'cmd.run' is not available"))
    );
    let open = pillar_of(&case(files, json!({"pillar_safe_render_error": false})));
    let told = open.values["_errors"][0].as_str().unwrap();
    assert!(
        told.starts_with("Rendering SLS 'a' failed, render error:\n"),
        "{told}"
    );
}

#[test]
fn the_configuration_may_be_a_value() {
    let files = json!({"base/top.sls": "base:\n  '*': [a]\n", "base/a.sls": "x: 1\n"});
    let options = json!({"pillar_opts": true, "interface": "::"});
    assert_eq!(
        values(&case(files, options))["master"]["interface"],
        json!("::")
    );
}

#[test]
fn includes_end() {
    let count = INCLUDE_DEPTH_MAX + 5;
    let mut files = Map::from_iter([("base/top.sls".to_owned(), json!("base:\n  '*': [s0]\n"))]);
    for number in 0..count {
        let text = format!("include: [s{}]\nk{number}: 1\n", number + 1);
        files.insert(format!("base/s{number}.sls"), json!(text));
    }
    let outside = Outside {
        foreign: &NoForeign,
        external: &NoExternal,
    };
    let pillar = pillar_within(&case(Value::Object(files), json!({})), &outside);
    let told = pillar.values["_errors"].to_string();
    assert!(told.contains("is included through more than"), "{told}");
}

#[test]
fn merging_ends() {
    // Each file includes the next one a hundred times under another key.
    let mut files = Map::from_iter([("base/top.sls".to_owned(), json!("base:\n  '*': [s0]\n"))]);
    for number in 0..5 {
        let includes: String = (0..100)
            .map(|key| format!("  - s{}:\n      key: k{key}\n", number + 1))
            .collect();
        files.insert(
            format!("base/s{number}.sls"),
            json!(format!("include:\n{includes}")),
        );
    }
    let list: Vec<u32> = (0..50_000).collect();
    files.insert("base/s5.sls".to_owned(), json!(format!("l: {list:?}\n")));
    let pillar = pillar_of(&case(Value::Object(files), json!({})));
    let told = pillar.values["_errors"].to_string();
    assert!(told.contains("The pillar merges more than"), "{told}");
}
