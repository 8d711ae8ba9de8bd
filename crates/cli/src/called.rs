//! What a job calls: a function with its arguments, or several of each, as they are typed.

use serde_json::{Map, Value};
use wire::{Json, KEYWORDS_MARK};

use crate::meaning::json;

/// Stands between the arguments of several functions, unless another text does.
pub(crate) const SEPARATOR: &str = ",";

/// Functions with their arguments, as orders have them.
#[derive(Debug, PartialEq)]
pub(crate) struct Called {
    pub(crate) fun: String,
    pub(crate) args: Json,
    pub(crate) kwargs: Json,
}

/// Reads a function and its words, or several functions with commas between and words with separators between. The values of named arguments in
/// `unparsed` stay the text that they are.
///
/// # Errors
/// Salt's words where there are more or fewer lists of words than functions.
pub(crate) fn called(
    fun: String,
    words: &[String],
    separator: &str,
    unparsed: &[String],
) -> Result<Called, &'static str> {
    let (args, kwargs) = if fun.contains(',') {
        let lists = split(wire::functions(&fun).count(), words, separator)?;
        let list = |words: &Vec<String>| {
            let (mut args, mut named) = parsed(words, unparsed);
            if !named.is_empty() {
                named.insert(KEYWORDS_MARK.to_owned(), true.into());
                args.push(named.into());
            }
            Value::Array(args)
        };
        (lists.iter().map(list).collect(), Map::new())
    } else {
        parsed(words, unparsed)
    };
    Ok(Called {
        fun,
        args: json(&Value::Array(args)),
        kwargs: json(&Value::Object(kwargs)),
    })
}

/// The words of each function: as Salt, a separator is a word of its own where there are as many as it takes, and else it may stand within
/// words.
fn split(
    count: usize,
    words: &[String],
    separator: &str,
) -> Result<Vec<Vec<String>>, &'static str> {
    let mut lists = vec![Vec::new()];
    let alone = words.iter().filter(|word| *word == separator).count();
    for word in words {
        let mut pieces: Vec<&str> = match alone + 1 == count {
            true if word == separator => vec!["", ""],
            true => vec![word],
            false => word.split(separator).collect(),
        };
        // An empty word is a word where no separator stands in it.
        let is_whole = pieces.len() == 1;
        let last = pieces.pop();
        for piece in pieces {
            push(&mut lists, piece, false);
            lists.push(Vec::new());
        }
        push(&mut lists, last.unwrap_or_default(), is_whole);
    }
    match lists.len() {
        given if given < count => {
            Err("Cannot execute compound command without defining all arguments.")
        }
        given if given > count => {
            Err("Cannot execute compound command with more arguments than commands.")
        }
        _ => Ok(lists),
    }
}

fn push(lists: &mut [Vec<String>], word: &str, also_empty: bool) {
    if let Some(list) = lists.last_mut()
        && (also_empty || !word.is_empty())
    {
        list.push(word.to_owned());
    }
}

/// Arguments as YAML, but for these names.
fn parsed(args: &[String], unparsed: &[String]) -> (Vec<Value>, Map<String, Value>) {
    let is_unparsed = |arg: &String| {
        arg.split_once('=')
            .is_some_and(|(name, _)| unparsed.iter().any(|unparsed| unparsed == name))
    };
    let (raw, rest): (Vec<String>, Vec<String>) = args.iter().cloned().partition(is_unparsed);
    let (positional, mut named) = yaml::parse_arguments(&rest);
    for arg in raw {
        if let Some((name, value)) = arg.split_once('=') {
            named.insert(name.to_owned(), value.into());
        }
    }
    (positional, named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn words_are_parted_as_salt_parts_them() {
        let check = |count, words: &[&str], separator, expected: &[&[&str]]| {
            let lists = split(count, &texts(words), separator).expect("lists");
            let expected: Vec<_> = expected.iter().map(|list| texts(list)).collect();
            assert_eq!(lists, expected, "{words:?}");
        };
        check(2, &[",whoami"], ",", &[&[], &["whoami"]]);
        check(2, &[",", "echo a, b"], ",", &[&[], &["echo a, b"]]);
        check(
            3,
            &["cat /proc/cpuinfo,", ",", "foo"],
            ",",
            &[&["cat /proc/cpuinfo"], &[], &["foo"]],
        );
        check(3, &["a,,b"], ",", &[&["a"], &[], &["b"]]);
        check(2, &["a", "", ",", "b"], ",", &[&["a", ""], &["b"]]);
        check(2, &["a,b", "::", "c"], "::", &[&["a,b"], &["c"]]);
        let refused = |count, words: &[&str]| split(count, &texts(words), ",").unwrap_err();
        assert!(refused(2, &[]).contains("without defining all"));
        assert!(refused(2, &["a,b,c"]).contains("more arguments than"));
    }

    #[test]
    fn several_functions_have_their_keywords_marked() {
        let words = texts(&["id", "cwd=/", ",", "1"]);
        let read = called("cmd.run,test.echo".to_owned(), &words, ",", &[]).unwrap();
        let expected = serde_json::json!([["id", {"cwd": "/", "__kwarg__": true}], [1]]);
        assert_eq!(read.args, json(&expected));
        assert_eq!(read.kwargs.as_ref(), b"{}");
        let read = called("cmd.run".to_owned(), &texts(&["a,b", "x=1"]), ",", &[]).unwrap();
        assert_eq!(read.args.as_ref(), br#"["a,b"]"#);
        assert_eq!(read.kwargs.as_ref(), br#"{"x":1}"#);
    }
}
