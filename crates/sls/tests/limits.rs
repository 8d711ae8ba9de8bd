//! Templates that would run, grow or nest without end stop at a limit, and soon.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use sls::render::{Files, Functions, NoForeign, Renderer, Source};

/// Far more than a bomb takes, on a busy machine as well, and far less than one that goes off.
const PATIENCE: Duration = Duration::from_secs(60);

struct Mirror;

impl Files for Mirror {
    /// Every file includes, imports or extends another, or is large.
    fn read(&self, _: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        let (kind, rest) = path.split_at(2);
        Ok(Some(match kind {
            "in" => format!("{{% include 'in{rest}x' %}}").into_bytes(),
            "im" => format!("{{% import 'im{rest}x' as m %}}").into_bytes(),
            "ex" => b"{% extends 'ex' %}".to_vec(),
            "la" => vec![b'a'; 5 << 20],
            _ => b"x".to_vec(),
        }))
    }
}

struct Nothing;

impl Functions for Nothing {
    fn has(&self, _: &str) -> bool {
        false
    }

    fn call(&self, _: &str, _: &[Value], _: &Map<String, Value>) -> Result<Value, String> {
        Err("there is none".to_owned())
    }
}

fn check(template: &str, words: &str) {
    let renderer = Renderer {
        files: &Mirror,
        functions: &Nothing,
        foreign: &NoForeign,
        grains: &json!({}),
        pillar: &json!({}),
        opts: &json!({}),
    };
    let start = Instant::now();
    let source = Source {
        saltenv: "base",
        path: "bomb",
        text: template.as_bytes(),
        ..Source::default()
    };
    let result = renderer.template(&source);
    let short: String = template.chars().take(80).collect();
    let error = result.map(|text| text.len()).expect_err(&short);
    assert!(error.message.contains(words), "{short}: {}", error.message);
    assert!(
        start.elapsed() < PATIENCE,
        "{short} took {:?}",
        start.elapsed()
    );
}

#[test]
fn steps() {
    let five = "{% for a in range(99999) %}".repeat(5);
    check(
        &format!("{five}x{}", "{% endfor %}".repeat(5)),
        "the number of steps",
    );
    check(
        "{% set l = range(99999) | list %}{% for i in range(9999) %}{% set x = l | sort %}{% endfor %}",
        "the number of steps",
    );
    check(
        "{% set l = range(99999) | list %}{{ l | unique }}",
        "the number of steps",
    );
    check(
        "{% set l = [1] %}{% for i in range(99) %}{% do l.extend(l) %}{% endfor %}",
        "limit",
    );
}

#[test]
fn texts() {
    let length = "the length of";
    check(
        "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        length,
    );
    check(
        "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        length,
    );
    check("{{ 'a' * 10**12 }}", length);
    check("{{ [1] * 10**12 }}", length);
    check("{{ [1] | batch(10**12, 0) }}", length);
    check("{{ ('a' * 100000) | replace('a', 'b' * 100000) }}", length);
    check("{{ ('a' * 100000).replace('a', 'b' * 100000) }}", length);
    check("{{ 'a'.ljust(10**15) }}{{ 'a'.center(10**15) }}", length);
    check("{{ '%9999999999d' % 1 }}", length);
    check("{{ '{:>9999999999}'.format(1) }}", length);
    check("{{ ('a\\n' * 100000) | indent(100000) }}", length);
    check(
        "{% for i in range(99999) %}{{ 'a' * 10000 }}{% endfor %}",
        length,
    );
    check(
        &format!(
            "{{% set x %}}{{% for i in range(99999) %}}{}{{% endfor %}}{{% endset %}}",
            "a".repeat(1 << 20)
        ),
        length,
    );
    check(
        "{% set ns = namespace(l=['aaaaaaaaaa']) %}{% for i in range(30) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
        length,
    );
    check("{% include 'large' %}", "the size of a file");
}

#[test]
fn depth() {
    check(
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "the depth of its calls",
    );
    check(
        "{% macro m(x) %}{% for i in [1] %}{% if i %}{{ m(x + [(((i)))]) | indent }}{% endif %}{% endfor %}{% endmacro %}{{ m([]) }}",
        "the depth of its calls",
    );
    check("{% include 'in' %}", "the depth of its calls");
    check("{% import 'im' as m %}", "the depth of its calls");
    check("{% extends 'ex' %}", "limit");
    check(
        "{% for i in range(9999) %}{% include 'f' ~ i %}{% endfor %}",
        "the number of its files",
    );
    check(
        &format!("{{{{ {}1{} }}}}", "(".repeat(9_999), ")".repeat(9_999)),
        "the depth of its syntax",
    );
    check(
        &format!("{{{{ {}1{} }}}}", "[".repeat(9_999), "]".repeat(9_999)),
        "the depth of its syntax",
    );
    check(
        &format!("{{{{ {}1 }}}}", "-".repeat(9_999)),
        "the depth of its syntax",
    );
    check(
        &format!("{{{{ {}1 }}}}", "not ".repeat(9_999)),
        "the depth of its syntax",
    );
    check(&"{% if 1 %}".repeat(9_999), "the depth of its syntax");
    check(
        &format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(9_999)),
        "the depth of its syntax",
    );
    let long = "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}";
    check(&format!("{long}{{{{ ns.l }}}}"), "the depth of a value");
    check(
        &format!("{long}{{{{ ns.l | json }}}}"),
        "the depth of a value",
    );
    check(
        &format!("{long}{{{{ ns.l == [ns.l] }}}}"),
        "the depth of a value",
    );
    check(
        "{% set l = [] %}{% do l.append(l) %}{{ l }}",
        "the depth of a value",
    );
    check(
        "{% set l = [] %}{% do l.append(l) %}{{ l | flatten }}",
        "limit",
    );
}

/// Few values that share parts may stand for very many.
#[test]
fn shared_parts() {
    let double = |first: &str, step: &str| {
        format!(
            "{{% set ns = namespace(x={first}, y={first}) %}}{{% for i in range(60) %}}{{% set ns.x = {step} %}}{{% set ns.y = {} %}}{{% endfor %}}",
            step.replace('x', "y")
        )
    };
    let lists = double("[]", "[ns.x, ns.x]");
    for use_ in [
        "{{ ns.x == ns.y }}",
        "{{ ns.x | json }}",
        "{{ ns.x | yaml }}",
        "{{ ns.x | flatten }}",
        "{{ ns.x < ns.y }}",
        "{{ ns.x }}",
        "{{ show_full_context() }}{{ ns.x | string }}",
    ] {
        check(&format!("{lists}{use_}"), "limit");
    }
    let tuples = double("()", "(ns.x, ns.x)");
    check(
        &format!("{tuples}{{{{ {{ns.x: 1}} }}}}"),
        "the number of steps",
    );
}

/// What is quick once must not be free a million times.
#[test]
fn repeated_work() {
    let many = "{% for a in range(99999) %}{% for b in range(99999) %}";
    let ends = "{% endfor %}{% endfor %}";
    let text = "{% set s = 'a' * 9999999 %}";
    let list = "{% set l = range(99999) | list %}";
    for (set, use_) in [
        (text, "{% if 'b' in s %}x{% endif %}"),
        (text, "{% do s.count('b') %}"),
        (text, "{% do s | length %}"),
        (text, "{% if s | wordcount %}{% endif %}"),
        (list, "{% if -1 in l %}x{% endif %}"),
        (list, "{% do l.count(-1) %}"),
        (list, "{% do l | max %}"),
        (
            "",
            "{% do 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab' | regex_match('((a+)+)\\\\1$') %}",
        ),
        ("", "{% do 'a' | regex_match('(a{1,50}){1,50}') %}"),
    ] {
        check(&format!("{set}{many}{use_}{ends}"), "");
    }
}

/// Long chains that the parser reads in a loop must not be walked, or dropped, in a recursion.
#[test]
fn chains() {
    check(&format!("{{{{ 1{} }}}}", " + 1".repeat(99_999)), "limit");
    check(
        &format!("{{{{ 'a'{} }}}}", " | upper".repeat(99_999)),
        "limit",
    );
    check(&format!("{{{{ a{} }}}}", ".b".repeat(99_999)), "limit");
    check(&format!("{{{{ a{} }}}}", "()".repeat(99_999)), "limit");
    check(&format!("{{{{ 1{} }}}}", " or 1".repeat(99_999)), "limit");
}
