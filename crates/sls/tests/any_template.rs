//! Whatever a template says, it ends with a text or an error: never with a panic, and not only after an hour.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sls::render::{Files, Functions, NoForeign, Renderer, Source};

struct Itself;

impl Files for Itself {
    /// One file that others name, so that imports may go in circles.
    fn read(&self, _: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        let text = "{% set x = [1] %}{% macro m(a, b=2) %}{{ a }}{{ b }}{{ x }}{% endmacro %}{% block c %}{% endblock %}";
        Ok((path == "m").then(|| text.as_bytes().to_vec()))
    }
}

impl Functions for Itself {
    fn has(&self, name: &str) -> bool {
        name == "t.e"
    }

    fn call(&self, _: &str, args: &[Value], _: &Map<String, Value>) -> Result<Value, String> {
        args.first()
            .cloned()
            .ok_or_else(|| "no argument".to_owned())
    }
}

fn render(template: &str) {
    let renderer = Renderer {
        files: &Itself,
        functions: &Itself,
        foreign: &NoForeign,
        grains: &json!({"a": [1, {"b": "c\nd"}]}),
        pillar: &json!({}),
        opts: &json!({}),
    };
    let source = Source {
        saltenv: "base",
        path: "any",
        text: template.as_bytes(),
        ..Source::default()
    };
    let _ = renderer.template(&source);
}

/// Pieces that have to do with each other often enough.
const PIECES: &[&str] = &[
    "{{ ",
    " }}",
    "{% ",
    " %}",
    "{%- ",
    " -%}",
    "{#",
    "#}",
    "if ",
    "else",
    "endif",
    "for x in ",
    "endfor",
    "set x = ",
    "set x",
    "endset",
    "macro m(a, *b)",
    "macro m(a, b=1)",
    "endmacro",
    "call m()",
    "endcall",
    "do ",
    "x",
    "x.append(x)",
    "x.update(x)",
    "x.pop()",
    "grains",
    ".a",
    "[0]",
    "[1:]",
    "[::-1]",
    "(x)",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "'a'",
    "'é%s{}'",
    "1",
    "-",
    "0",
    "1.5e3",
    "9999999999999999999999",
    " + ",
    " * ",
    " / ",
    " // ",
    " % ",
    " ** ",
    " ~ ",
    " == ",
    " < ",
    " in ",
    " not ",
    " and ",
    " or ",
    " is ",
    "defined",
    "string",
    " | ",
    "join",
    "yaml",
    "load_yaml",
    "json",
    "indent(2)",
    "sort",
    "unique",
    "map('upper')",
    "batch(2)",
    "round(2)",
    "truncate(3)",
    "format(1)",
    "int",
    "length",
    "regex_replace('(a)', '\\\\1')",
    "zip(x)",
    "groupby(0)",
    "from 'm' import m, x",
    "import 'm' as m",
    "include 'm'",
    "extends 'm'",
    "block c",
    "endblock",
    "import_yaml 'm' as x",
    "load_yaml as x",
    "endload",
    "raw",
    "endraw",
    "filter upper",
    "endfilter",
    "with x = 1",
    "endwith",
    "recursive ",
    "loop(x)",
    "loop.index",
    "caller()",
    "range(3)",
    "namespace(a=1)",
    "dict(a=1)",
    "cycler(1, 2).next()",
    "joiner()()",
    "salt['t.e'](x)",
    "text\n",
    "\r\n",
    "\u{1f600}",
    "%}",
    "x=",
    "**x",
    "*x",
    "if x",
    "break",
    "continue",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_ends_well(text in ".{0,200}") {
        render(&text);
    }

    #[test]
    fn any_pieces_end_well(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24)) {
        render(&pieces.concat());
    }

    #[test]
    fn any_expression_ends_well(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..8)) {
        render(&format!("{{% set x = grains.a %}}{{{{ {} }}}}", pieces.concat()));
    }
}

const LEFT: &[&str] = &[
    "1",
    "-1",
    "0",
    "0.0",
    "-2.5",
    "1e300",
    "170141183460469231731687303715884105727",
    "'ab'",
    "''",
    "'%d'",
    "[1]",
    "[]",
    "(1, 2)",
    "{}",
    "{'a': 1}",
    "none",
    "true",
    "x",
    "range(3)",
    "salt",
    "'é'",
    "'::/0'",
];

const OPERATORS: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "~",
    "==",
    "<",
    "in",
    "is divisibleby ",
    "is sameas ",
    "and",
    "| batch(2) | list | zip",
    "| round",
    "| truncate",
    "| indent",
    "| center",
    "| join",
    "| int",
    "| default",
    "| format",
    "| replace('a', 'b') | wordwrap",
    "| permutations",
    "| combinations",
    "| combinations_with_replacement",
    "| product(repeat=9) | pprint",
    "| network_hosts",
    "| filter_by_networks",
    "| human_to_bytes",
    "| check_whitelist_blacklist",
    "| set_dict_key_value",
    "| update_dict_key_value",
    ".zfill",
    ".ljust",
    ".split",
    ".find",
    ".insert",
    ".get",
    ".pop",
    ".index",
    ".format",
    ".expandtabs",
];

const RIGHT: &[&str] = &[
    "(1)",
    "(-1)",
    "(0)",
    "(0.0)",
    "(1e300)",
    "(170141183460469231731687303715884105727)",
    "(-170141183460469231731687303715884105727 - 1)",
    "('ab')",
    "('')",
    "([1])",
    "((1, 2))",
    "({})",
    "(none)",
    "(true)",
    "(x)",
    "()",
    "(1, 2)",
    "(0, 'a')",
    "('a', 1, 5)",
];

/// Each of them, not some: one list that is taken 10^38 times is met by chance once in a hundred runs.
#[test]
fn each_operation_ends_well() {
    for left in LEFT {
        for operator in OPERATORS {
            let templates: Vec<String> = RIGHT
                .iter()
                .flat_map(|right| {
                    [
                        format!("{{{{ {left} {operator} {right} }}}}"),
                        format!("{{{{ ({left}){operator}{right} }}}}"),
                    ]
                })
                .collect();
            let (done, rendered) = mpsc::channel();
            thread::spawn(move || {
                for template in templates {
                    render(&template);
                    let _ = done.send(());
                }
            });
            for number in 0..2 * RIGHT.len() {
                let end = rendered.recv_timeout(Duration::from_secs(60));
                assert!(
                    end.is_ok(),
                    "{left} {operator} {}: {end:?}",
                    RIGHT[number / 2]
                );
            }
        }
    }
}
