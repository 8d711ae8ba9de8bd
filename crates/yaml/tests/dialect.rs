//! The dialect: tables that PyYAML wrote (with Salt's constructors), the known differences, limits, arguments, laws.

use proptest::prelude::*;
use serde_json::{Value, json};
use yaml::{
    COPIED_BYTES_MAX, DEPTH_MAX, NODES_MAX, emit, emit_leaves_flow, parse, parse_argument,
    parse_arguments, parse_spanned,
};

/// Rows of `[text, value]`, or `[text]` where PyYAML refuses.
const READ: &str = include_str!("read.json");

/// Rows of `[value, text]`.
const PRINT: &str = include_str!("print.json");

fn rows(table: &str) -> Vec<Vec<Value>> {
    serde_json::from_str(table).unwrap_or_else(|error| panic!("the table is broken: {error}"))
}

#[test]
fn reads_what_pyyaml_reads() {
    let rows = rows(READ);
    assert!(rows.len() > 200);
    for row in rows {
        let text = row[0].as_str().unwrap_or_default();
        assert_eq!(parse(text).ok().as_ref(), row.get(1), "{text:?}");
    }
}

#[test]
fn prints_what_pyyaml_prints() {
    let rows = rows(PRINT);
    assert!(rows.len() > 100);
    for row in rows {
        assert_eq!(
            emit(&row[0]),
            row[1].as_str().unwrap_or_default(),
            "{}",
            row[0]
        );
        assert_eq!(parse(&emit(&row[0])).as_ref(), Ok(&row[0]));
    }
}

#[test]
fn differs_from_pyyaml_on_purpose() {
    #[track_caller]
    fn check(text: &str, expected: Value) {
        assert_eq!(parse(text), Ok(expected), "{text}");
    }
    check("0644", json!(644));
    check("00", json!(0));
    check("-0644", json!(-420));
    check(
        "18446744073709551615",
        json!(18_446_744_073_709_551_615_u64),
    );
    check("18446744073709551616", json!("18446744073709551616"));
    check("-9223372036854775809", json!("-9223372036854775809"));
    check(
        "0xffffffffffffffffffffffffffffffffffffffff",
        json!("0xffffffffffffffffffffffffffffffffffffffff"),
    );
    check(
        "[.inf, -.INF, .nan, 1.0e+999]",
        json!(["inf", "-inf", "nan", "inf"]),
    );
    check("0x_", json!("0x_"));
    check("a: =", json!({"a": "="}));
    check("a: <<", json!({"a": "<<"}));
    check(
        "{1: a, 1.5: b, true: c, null: d, 1e3: e, 1.0e+20: f}",
        json!({"1": "a", "1.5": "b", "True": "c", "None": "d", "1e3": "e", "1e+20": "f"}),
    );
}

#[test]
fn a_key_hides_the_merged_one() {
    let text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\nall:\n  x: 0\n  <<: [*b, *m]\n";
    let value = parse(text).unwrap_or_default();
    assert_eq!(value["all"].to_string(), r#"{"y":2,"z":4,"x":0}"#);
}

#[test]
fn says_where_and_why() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(
            parse(text).map_err(|error| error.to_string()),
            Err(expected.to_owned()),
            "{text}"
        );
    }
    check(
        "a: 1\nb: 2\na: 3\n",
        "line 3, column 1: conflicting ID `a`: it is already given at line 1, column 1",
    );
    check(
        "x: {1: a, '1': b}",
        "line 1, column 11: conflicting ID `1`: it is already given at line 1, column 5",
    );
    check(
        "a: !!python/name:os.system x",
        "line 1, column 4: the tag `!!python/name:os.system` is unknown",
    );
    check("a: !mine x", "line 1, column 4: the tag `!mine` is unknown");
    check("a: !!int x", "line 1, column 4: `x` is not an integer");
    check(
        "- !!binary _",
        "line 1, column 3: the base64 text is broken: invalid length at 0",
    );
    check(
        "- !!binary /w==",
        "line 1, column 3: binary data that is not UTF-8 text has no value here",
    );
    check(
        "? [a]\n: b",
        "line 1, column 3: a list or a map cannot be a key",
    );
    check(
        "<<: 1",
        "line 1, column 5: only a map or a list of maps can be merged",
    );
    check(
        "a: *b",
        "line 1, column 4: no anchor `b` is complete before this alias",
    );
    check(
        "a: &x 1\nb: &x 2",
        "line 2, column 4: the anchor `x` is already used at line 1, column 4",
    );
    check(
        "a\n--- b",
        "line 2, column 1: a second document begins here, and only one is allowed",
    );
    check(
        "a: b\n\u{7}",
        "line 2, column 1: the control character \\u{7} is not allowed",
    );
    check(
        "a: 'x",
        "line 2, column 1: found unexpected end of stream while scanning a quoted scalar that begins at line 1, column 4",
    );
}

#[test]
fn keeps_places() {
    let tree = parse_spanned("a: 1\nlist:\n  - é: x\n").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((tree.line, tree.column), (1, 1));
    let yaml::Node::Map(entries) = &tree.node else {
        panic!("a map")
    };
    assert_eq!((entries[1].0.line, entries[1].0.column), (2, 1));
    let yaml::Node::List(items) = &entries[1].1.node else {
        panic!("a list")
    };
    let yaml::Node::Map(inner) = &items[0].node else {
        panic!("a map")
    };
    assert_eq!((inner[0].1.line, inner[0].1.column), (3, 8));
    assert_eq!(tree.to_value(), json!({"a": 1, "list": [{"é": "x"}]}));
}

#[test]
fn limits() {
    #[track_caller]
    fn check(text: &str, expected: Result<(), &str>) {
        match (parse(text), expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.message.contains(part), "{error}"),
            (found, expected) => panic!("{:?} instead of {expected:?}", found.map(|_| ())),
        }
    }
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check(&nested(DEPTH_MAX), Ok(()));
    check(&nested(DEPTH_MAX + 1), Err("nested deeper"));
    check(&nested(100_000), Err("nested deeper"));
    check(
        &format!("- &a {}\n- [*a]", nested(DEPTH_MAX - 1)),
        Err("nests lists and maps deeper"),
    );
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        laughs += &format!("a{level}: &a{level} [{below}]\n");
    }
    check(&laughs, Err(&format!("more than {NODES_MAX} nodes")));
    let long = "x".repeat(COPIED_BYTES_MAX / 100);
    check(&format!("- &a {long}\n{}", "- *a\n".repeat(98)), Ok(()));
    check(
        &format!("- &a {long}\n{}", "- *a\n".repeat(101)),
        Err("aliases repeat more"),
    );
}

#[test]
fn arguments() {
    #[track_caller]
    fn check(text: &str, expected: Value) {
        assert_eq!(parse_argument(text), expected, "{text:?}");
    }
    for text in [
        "",
        " ",
        "1_000",
        "_",
        "1__2",
        "a: b",
        "a:",
        "- a",
        "- a\n- b",
        "#",
        "#a",
        "a #b",
        "12 a#",
        "!",
        "|",
        ">",
        "*",
        "*a",
        "%x",
        "@a",
        "`a",
        "&",
        "[a",
        "{a",
        "{a: b",
        "'a",
        "2001-01-01",
        "2001-01-01 10:00:00",
        "a\nb",
        "key: a\nb: c",
        "!foo",
        "!!python/name:os.system",
        "1e3",
        "y",
        "n",
        "=",
        "18446744073709551616",
        "a: b # c",
        "\"\\",
        "# a: b",
    ] {
        check(text, json!(text));
    }
    check("None", Value::Null);
    check("null", Value::Null);
    check("~", Value::Null);
    check("True", json!(true));
    check("off", json!(false));
    check("12", json!(12));
    check("0644", json!(644));
    check("1.50", json!(1.5));
    check("10:30", json!(630));
    check("'12'", json!("12"));
    check("\"\"", json!(""));
    check(" a ", json!("a"));
    check("{a: 1, b: [x, ~]}", json!({"a": 1, "b": ["x", null]}));
    check("[1, '2', {a: b}]", json!([1, "2", {"a": "b"}]));
    check("[1] # one", json!([1]));
    check("'a #b'", json!("'a #b'"));
    check("12 # b", json!(12));
}

#[test]
fn splits_keywords() {
    #[track_caller]
    fn check(arg: &str, positional: Value, keyword: Value) {
        let (args, kwargs) = parse_arguments(&[arg.to_owned()]);
        assert_eq!(
            (Value::Array(args), Value::Object(kwargs)),
            (positional, keyword),
            "{arg:?}"
        );
    }
    check("a=1", json!([]), json!({"a": 1}));
    check("a=", json!([]), json!({"a": ""}));
    check("a.b-c=x=y", json!([]), json!({"a.b-c": "x=y"}));
    check("_é1={a: b}", json!([]), json!({"_é1": {"a": "b"}}));
    check("a==b", json!(["a==b"]), json!({}));
    check("1a=b", json!(["1a=b"]), json!({}));
    check("-a=b", json!(["-a=b"]), json!({}));
    check("a b=c", json!(["a b=c"]), json!({}));
    check("=b", json!(["=b"]), json!({}));
    check("a=b\nc", json!(["a=b\nc"]), json!({}));
    check("a=b\n", json!([]), json!({"a": "b"}));
    let (args, kwargs) = parse_arguments(&["x=1", "b", "x=2", "3"].map(str::to_owned));
    assert_eq!(
        (json!(args), json!(kwargs)),
        (json!(["b", 3]), json!({"x": 2}))
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ a:#'\"\\n\\t,\\[{?!&*|>%@=<~.0-9-]{0,12}".prop_map(Value::from),
        "(word ){10,30}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[ a:#'\\n\\t\\-]{0,6}|.{0,130}", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(value in value()) {
        let text = emit(&value);
        prop_assert_eq!(parse(&text), Ok(value), "{}", text);
    }

    #[test]
    fn any_text_ends_well(text in r#"([a ]|\n|- |: |\? |[\[\]{},'"\\|>&*!#%@1]|<<: |--- |\.\.\.|!!str |\t|é){0,24}"#) {
        if let Err(error) = parse(&text) {
            prop_assert!(error.line >= 1 && error.column >= 1);
        }
        parse_argument(&text);
    }
}

#[test]
fn leaves_stand_between_brackets() {
    // Each text is what PyYAML prints with `default_flow_style=None`.
    #[track_caller]
    fn check(value: Value, expected: &str) {
        assert_eq!(emit_leaves_flow(&value), expected, "{value}");
        assert_eq!(parse(expected), Ok(value));
    }
    check(json!({"a": 1}), "{a: 1}\n");
    check(
        json!({"a": {"b": [1, 2]}, "c": []}),
        "a:\n  b: [1, 2]\nc: []\n",
    );
    check(json!([1, [2, 3], {"x": 1}]), "- 1\n- [2, 3]\n- {x: 1}\n");
    check(
        json!([{"a": [{"b": 1, "c": 2}, [1]]}]),
        "- a:\n  - {b: 1, c: 2}\n  - [1]\n",
    );
    check(json!({"a": {}, "b": 1}), "a: {}\nb: 1\n");
    check(json!(["a: b", "x\ny"]), "['a: b', 'x\n\n    y']\n");
    let words = "word ".repeat(10);
    check(
        json!({"l": [words, words, words]}),
        "l: ['word word word word word word word word word word ', 'word word word word word\n    word word word word word ', 'word word word word word word word word word word ']\n",
    );
}
