//! `file.append`.

use serde_json::json;
use sls::python_regex::Flags;

use super::{
    Args, Failure, Return, StateEnv, Stop, changed, diff_text, name, prepare, returned, texts,
};
use crate::edit::diff;
use crate::edit::replace::{self, PUBLIC_MODE};
use crate::edit::substitution::{escaped, is_in_file};
use crate::edit::text::{self, Text};

const MULTILINE: Flags = Flags {
    ignore_case: false,
    multiline: true,
    dot_all: false,
    verbose: false,
    ascii: true,
};

pub(super) fn append(args: &Args, env: &StateEnv) -> Result<Return, Stop> {
    let path = name(args, "file.append")?;
    prepare(args, env, &path)?;
    let texts = texts(args, env)?;
    let shows = args.flag("show_changes");
    let old = Text::read(&path)?;
    let mut added: Vec<String> = Vec::new();
    for chunk in &texts {
        let pattern = if args.flag("ignore_whitespace") {
            blanks_pattern(chunk)?
        } else {
            chunk.clone()
        };
        if !is_in_file(&path, &pattern, MULTILINE)? {
            added.extend(text::bare_lines(chunk).into_iter().map(str::to_owned));
        }
    }
    let shown_path = path.display();
    if added.is_empty() {
        return Ok(returned(
            true,
            format!("File {shown_path} is in correct state"),
        ));
    }
    let old_lines: Vec<String> = text::bare_lines(old.as_str())
        .into_iter()
        .map(|line| old.shown(line))
        .collect();
    if !env.is_test {
        let mut new = old.as_str().to_owned();
        if !new.is_empty() && !new.ends_with('\n') {
            new.push('\n');
        }
        for line in &added {
            new.push_str(&old.spelled(line));
            new.push('\n');
        }
        replace::replace(&path, &old.bytes_of(&new), PUBLIC_MODE)
            .map_err(|error| Failure::io(&path, error))?;
    }
    let diff = diff_text(&path, shows, || {
        let new_lines: Vec<String> = old_lines.iter().chain(&added).cloned().collect();
        diff::pieces(&old_lines, &new_lines, "", "").join("\n")
    });
    let changes = json!({"diff": diff});
    Ok(if env.is_test {
        let comment = format!("File {shown_path} is set to be updated");
        changed(None, comment, changes)
    } else {
        changed(true, format!("Appended {} lines", added.len()), changes)
    })
}

/// A pattern that finds a text whatever blanks stand between its words, around its lines, and where lines end.
pub(super) fn blanks_pattern(text: &str) -> Result<String, Failure> {
    const BLANKS: &str = r"(?:[\s]+)?";
    let mut pattern = String::from("(?m)^");
    for line in text::bare_lines(text) {
        let words: Vec<String> = words(line)?.iter().map(|word| escaped(word)).collect();
        pattern.push_str(&format!("{BLANKS}{}{BLANKS}", words.join(BLANKS)));
    }
    pattern.push('$');
    Ok(pattern)
}

/// The words of a line. In a line that has both kinds of quotes a word that begins with a double quote goes on to the next one.
fn words(line: &str) -> Result<Vec<String>, Failure> {
    let quote = match (line.contains('\''), line.contains('"')) {
        _ if line.contains(r#"'\""#) => None,
        (true, _) => Some('"'),
        (false, true) => Some('\''),
        (false, false) => None,
    };
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let Some(first) = rest.chars().next() else {
            return Ok(words);
        };
        let end = if Some(first) == quote {
            let closed = rest[first.len_utf8()..].find(first);
            let closed =
                closed.ok_or_else(|| Failure::exception("ValueError", "No closing quotation"))?;
            closed + 2 * first.len_utf8()
        } else {
            rest.find([' ', '\t', '\r', '\n']).unwrap_or(rest.len())
        };
        let (word, after) = rest.split_at(end);
        words.push(word.to_owned());
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_shlex() {
        let check = |line: &str, expected: &[&str]| {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        };
        check(" a  b\tc ", &["a", "b", "c"]);
        check("a 'b c'", &["a", "'b", "c'"]);
        check("a \"b c\"", &["a", "\"b", "c\""]);
        check("it's \"b c\"d e", &["it's", "\"b c\"", "d", "e"]);
        assert!(words("it's \"b c").is_err());
    }
}
