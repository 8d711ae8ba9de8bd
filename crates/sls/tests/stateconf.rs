//! The renderer `stateconf`, over two files of which one sets values of the other. The expected trees are those of Salt.

use std::cell::RefCell;

use serde_json::{Map, Value, json};
use sls::render::{Data, Files, Foreign, Functions, Held, Renderer, Source, Step};

struct Nothing;

impl Files for Nothing {
    fn read(&self, _: &str, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

impl Functions for Nothing {
    fn has(&self, _: &str) -> bool {
        false
    }

    fn call(&self, _: &str, _: &[Value], _: &Map<String, Value>) -> Result<Value, String> {
        Err("there are none".to_owned())
    }
}

struct Holding(RefCell<Held>);

impl Foreign for Holding {
    fn render(&self, _: &Step, _: &Source<'_>, _: &Data) -> Option<Result<Data, String>> {
        None
    }

    fn held(&self) -> Option<&RefCell<Held>> {
        Some(&self.0)
    }
}

fn rendered(foreign: &dyn Foreign, sls: &str, text: &str) -> Result<Value, String> {
    let none = json!({});
    let renderer = Renderer {
        files: &Nothing,
        functions: &Nothing,
        foreign,
        grains: &none,
        pillar: &none,
        opts: &none,
    };
    let source = Source {
        saltenv: "base",
        sls,
        text: text.as_bytes(),
        ..Source::default()
    };
    renderer.sls(&source).map_err(|error| error.message)
}

const WEB: &str = "#!stateconf
include:
  - .web.conf

extend:
  .web.conf::params:
    stateconf.set:
      - port: 8080
      - hosts: [a, b]

.done:
  test.nop:
    - require:
      - stateconf: .web.conf::goal
short:
  test.nop
";

const CONF: &str = "#!stateconf yaml . jinja
{% set greeting = 'hi' %}
.params:
  stateconf.set:
    - port: 80
    - name: web
# --- end of state config ---

.file-{{ params.port }}:
  test.succeed_with_changes:
    - comment: {{ greeting }} {{ params.name }} {{ params.hosts|default([])|join(',') }} {{ sls_dir }}
    - require:
      - test: .other
.other:
  test.nop: []
far:
  test.nop:
    - name: x
";

#[test]
fn files_set_values_of_others() {
    let holding = Holding(RefCell::default());
    let web = rendered(&holding, "web", WEB).unwrap();
    let expected = json!({
        "include": [{"base": "web.conf"}],
        "extend": {"web.conf::params": {"stateconf.set": [{"port": 8080}, {"hosts": ["a", "b"]}]}},
        "short": {"test.nop": []},
        "web::done": {"test.nop": [{"name": "done"}, {"require": [{"stateconf": "web.conf::goal"}]}]},
        "web::goal": {"stateconf.set": [{"require": [{"test": "web::done"}, {"test": "short"}]}]},
    });
    assert_eq!(web.to_string(), expected.to_string());
    let conf = rendered(&holding, "web.conf", CONF).unwrap();
    let expected = json!({
        "far": {"test.nop": [{"name": "x"}]},
        "web.conf::params": {"stateconf.set": [{"port": 80}, {"name": "web"}]},
        "web.conf::file-8080": {"test.succeed_with_changes": [
            {"name": "file-8080"}, {"comment": "hi web a,b web"}, {"require": [{"test": "web.conf::other"}]},
        ]},
        "web.conf::other": {"test.nop": [{"name": "other"}]},
        "web.conf::goal": {"stateconf.set": [{"require": [
            {"stateconf": "web.conf::params"}, {"test": "web.conf::file-8080"}, {"test": "web.conf::other"}, {"test": "far"},
        ]}]},
    });
    assert_eq!(conf.to_string(), expected.to_string());
}

#[test]
fn a_file_alone_has_its_own_values() {
    let conf = rendered(&sls::render::NoForeign, "web.conf", CONF).unwrap();
    assert_eq!(
        conf["web.conf::file-80"]["test.succeed_with_changes"][1],
        json!({"comment": "hi web  web"})
    );
    let without_goal = rendered(
        &sls::render::NoForeign,
        "a",
        "#!stateconf -G\n.x: test.nop\n",
    );
    assert_eq!(
        without_goal.unwrap(),
        json!({"a::x": {"test.nop": [{"name": "x"}]}})
    );
    let ordered = rendered(
        &sls::render::NoForeign,
        "a",
        "#!stateconf -o\n.x: test.nop\n",
    );
    assert!(
        ordered
            .unwrap_err()
            .contains("-o, -s and -p are not served")
    );
}
