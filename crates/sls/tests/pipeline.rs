//! Whole files: the renderers of their first lines, and the errors that people see.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sls::render::{
    Data, Files, Foreign, Functions, NoForeign, RenderError, Renderer, Source, Step,
};

struct Tree(BTreeMap<&'static str, &'static str>);

impl Files for Tree {
    fn read(&self, saltenv: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        assert_eq!(saltenv, "base");
        Ok(self.0.get(path).map(|text| text.as_bytes().to_vec()))
    }
}

struct Ping;

impl Functions for Ping {
    fn has(&self, name: &str) -> bool {
        name == "test.ping"
    }

    fn call(&self, _: &str, _: &[Value], _: &Map<String, Value>) -> Result<Value, String> {
        Ok(Value::Bool(true))
    }
}

/// A renderer of text, one of trees, and one that fails.
struct Spares;

impl Foreign for Spares {
    fn render(&self, step: &Step, _: &Source<'_>, input: &Data) -> Option<Result<Data, String>> {
        match (step.name.as_str(), input) {
            ("digits", Data::Text(text)) => Some(Ok(Data::Text(text.replace("one", "1")))),
            ("gpg", Data::Tree(tree)) => Some(Ok(Data::Tree(
                json!({"clear": tree, "with": step.arguments}),
            ))),
            ("py", _) => Some(Err("there is no Python on this host".to_owned())),
            _ => None,
        }
    }
}

fn with<T>(foreign: &dyn Foreign, opts: Value, run: impl FnOnce(&Renderer<'_>) -> T) -> T {
    let files = Tree(
        [
            (
                "lib.jinja",
                "{% macro broken() %}\n{{ missing }}\n{% endmacro %}",
            ),
            ("bad.jinja", "one\n{% if %}\n"),
            ("data.yaml", "a: 1\n b: 2\n"),
        ]
        .into(),
    );
    run(&Renderer {
        files: &files,
        functions: &Ping,
        foreign,
        grains: &json!({"id": "web1"}),
        pillar: &json!({"port": 80}),
        opts: &opts,
    })
}

fn source(text: &str) -> Source<'_> {
    Source {
        saltenv: "base",
        sls: "web.nginx",
        path: "web/nginx.sls",
        text: text.as_bytes(),
        context: Map::new(),
    }
}

fn check(text: &str, expected: Value) {
    let tree = with(&Spares, json!({}), |renderer| renderer.sls(&source(text)));
    assert_eq!(
        tree.map_err(|error| error.to_string()),
        Ok(expected),
        "{text}"
    );
}

fn fault(text: &str) -> RenderError {
    let result = with(&NoForeign, json!({}), |renderer| {
        renderer.sls(&source(text))
    });
    *result.expect_err(text)
}

#[test]
fn renderers() {
    check("a: {{ 1 + 1 }}\n", json!({"a": 2}));
    check("#!yaml\na: '{{ 1 }}'\n", json!({"a": "{{ 1 }}"}));
    check("#!jinja|json\n{\"a\": {{ pillar.port }}}", json!({"a": 80}));
    check("#!json\n{\"b\": 1, \"a\": 2}\n", json!({"b": 1, "a": 2}));
    check("#!jinja|digits|yaml\na: {{ 'on' ~ 'e' }}", json!({"a": 1}));
    check(
        "#!yaml|gpg homedir=x\na: 1\n",
        json!({"clear": {"a": 1}, "with": "homedir=x"}),
    );
    check("", json!({}));
    check("  \n\n", json!({}));
    check("# nothing\n", json!({}));
    check("\u{feff}a: 1\n", json!({"a": 1}));
    check("a:\r\n  - {{ grains.id }}\r\n", json!({"a": ["web1"]}));
    check(
        "b: {{ salt['test.ping']() }}\na: 0644\n",
        json!({"b": true, "a": 644}),
    );
    check(
        "z: 1\na: 2\n{% do pillar.update({'x': 1}) %}m: {{ pillar.x }}",
        json!({"z": 1, "a": 2, "m": 1}),
    );
}

#[test]
fn text_of_other_files() {
    let template = |text: &str, opts: Value| {
        let mut source = source(text);
        source.sls = "";
        source.path = "web/nginx.conf";
        source.context.insert("port".to_owned(), json!(8080));
        with(&NoForeign, opts, |renderer| renderer.template(&source)).expect(text)
    };
    let none = || json!({});
    assert_eq!(template("listen {{ port }};\n", none()), "listen 8080;\n");
    assert_eq!(
        template("#!/bin/sh\n{{ tpldir }}\n", none()),
        "#!/bin/sh\nweb\n"
    );
    assert_eq!(
        template("{% if true %}\na\n{% endif %}\n", none()),
        "\na\n\n"
    );
    assert_eq!(
        template(
            "{% if true %}\na\n{% endif %}\n",
            json!({"jinja_env": {"trim_blocks": true}})
        ),
        "a\n\n"
    );
    assert_eq!(
        template(
            "{% if true %}\na\n{% endif %}\n",
            json!({"jinja_sls_env": {"trim_blocks": true}})
        ),
        "\na\n\n"
    );
}

#[test]
fn settings_of_states() {
    let opts = json!({"jinja_sls_env": {"trim_blocks": true, "lstrip_blocks": true}});
    let text = "a:\n  {% for i in [1, 2] %}\n  - {{ i }}\n  {% endfor %}\n";
    let rendered = with(&NoForeign, opts, |renderer| {
        renderer.template(&source(text))
    });
    assert_eq!(
        rendered.map_err(|error| error.to_string()),
        Ok("a:\n  - 1\n  - 2\n\n".to_owned())
    );
}

#[test]
fn errors_show_the_place() {
    assert_eq!(
        fault("a: 1\nb: {{ nope }}\nc: 3\n").to_string(),
        "Rendering SLS 'base:web.nginx' failed: Jinja variable 'nope' is undefined; line 2\n\n\
         ---\na: 1\nb: {{ nope }}    <======================\nc: 3\n---"
    );
    let error = fault("a: 1\n{% from 'lib.jinja' import broken %}\n\n{{ broken() }}\n");
    assert_eq!(error.message, "Jinja variable 'missing' is undefined");
    assert_eq!(
        (error.file.as_deref(), error.line),
        (Some("lib.jinja"), Some(2))
    );
    assert!(
        error.excerpt.contains("{{ missing }}    <====="),
        "{}",
        error.excerpt
    );
    let error = fault("{% import 'bad.jinja' as bad %}");
    assert_eq!(
        (error.file.as_deref(), error.line),
        (Some("bad.jinja"), Some(2))
    );
    assert!(
        error.message.starts_with("Jinja syntax error: "),
        "{}",
        error.message
    );
    let error = fault("a: 1\nb: [\n");
    assert_eq!((error.file, error.line), (None, Some(3)));
    let error = fault("#!json\n{\"a\":\n 1,}\n");
    assert_eq!(error.line, Some(3));
    let error = fault("{% import_yaml 'data.yaml' as data %}");
    assert!(
        error.message.contains("b: 2    <====="),
        "{}",
        error.message
    );
}

#[test]
fn a_renderer_that_is_not_there_is_named() {
    for (text, words) in [
        ("#!py\n", "the renderer 'py' is not available"),
        ("#!yaml|gpg\na: 1\n", "the renderer 'gpg' is not available"),
        ("#!mako|yaml\n", "the renderer 'mako' is not available"),
        ("#!yaml|jinja\na: 1\n", "the renderer 'jinja' needs text"),
        (
            "#!jinja\na: 1\n",
            "text, and an SLS file has to give a tree",
        ),
    ] {
        let error = fault(text).to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let result = with(&Spares, json!({}), |renderer| {
        renderer.sls(&source("#!py\n"))
    });
    let error = result.expect_err("Spares has no Python").to_string();
    assert!(
        error.contains("renderer 'py': there is no Python on this host"),
        "{error}"
    );
}
