//! Text in lines of a width, broken where Python's `textwrap` breaks it.

/// Columns of a tab.
const TAB: usize = 8;

/// Words in lines of at most `width` columns, without the blanks at their ends. A word is broken after its hyphens, and a part that fits no
/// line is cut.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut chunks: std::collections::VecDeque<Vec<char>> = chunks(text).into();
    let mut lines = Vec::new();
    while !chunks.is_empty() {
        if !lines.is_empty() && chunks.front().is_some_and(|chunk| is_blank(chunk)) {
            chunks.pop_front();
        }
        let mut line: Vec<Vec<char>> = Vec::new();
        let mut used = 0;
        while let Some(chunk) = chunks.pop_front_if(|chunk| used + chunk.len() <= width) {
            used += chunk.len();
            line.push(chunk);
        }
        if let Some(chunk) = chunks.front_mut().filter(|chunk| chunk.len() > width) {
            let room = (width - used).max(usize::from(line.is_empty()));
            let hyphen = chunk[..room].iter().rposition(|c| *c == '-');
            let hyphen = hyphen.filter(|at| chunk[..*at].iter().any(|c| *c != '-'));
            let end = hyphen.map_or(room, |at| at + 1);
            line.push(chunk.drain(..end).collect());
        }
        if line.last().is_some_and(|chunk| is_blank(chunk)) {
            line.pop();
        }
        if !line.is_empty() {
            lines.push(line.into_iter().flatten().collect());
        }
    }
    lines
}

fn is_blank(chunk: &[char]) -> bool {
    chunk.iter().all(|c| c.is_whitespace())
}

/// Runs of blanks, and words split after their hyphens. Each kind of white space is a blank.
fn chunks(text: &str) -> Vec<Vec<char>> {
    let mut chunks: Vec<Vec<char>> = Vec::new();
    let chars = with_blanks(text);
    for (at, &c) in chars.iter().enumerate() {
        let follows = chunks.last().is_some_and(|chunk| {
            chunk
                .last()
                .is_some_and(|last| (*last == ' ') == (c == ' '))
        });
        if follows
            && !breaks_before(&chars, at)
            && let Some(chunk) = chunks.last_mut()
        {
            chunk.push(c);
        } else {
            chunks.push(vec![c]);
        }
    }
    chunks
}

/// The text with blanks for all white space; a tab goes on to the next column that is a multiple of [`TAB`].
fn with_blanks(text: &str) -> Vec<char> {
    let mut chars = Vec::new();
    let mut column = 0;
    for c in text.chars() {
        let count = if c == '\t' { TAB - column % TAB } else { 1 };
        chars.extend(std::iter::repeat_n(
            if c.is_whitespace() { ' ' } else { c },
            count,
        ));
        column = if matches!(c, '\n' | '\r') {
            0
        } else {
            column + count
        };
    }
    chars
}

/// Whether a word may be broken before this character: after a hyphen between letters.
fn breaks_before(chars: &[char], at: usize) -> bool {
    let letter = |at: Option<usize>| {
        at.and_then(|at| chars.get(at))
            .is_some_and(|c| c.is_alphabetic() || *c == '_')
    };
    let hyphen = |at: Option<usize>| at.and_then(|at| chars.get(at)) == Some(&'-');
    let back = |steps: usize| at.checked_sub(steps);
    let is_word_before =
        letter(back(2)) && (letter(back(3)) || (hyphen(back(3)) && letter(back(4))));
    let is_word_behind = letter(Some(at))
        && (letter(Some(at + 1)) || (hyphen(Some(at + 1)) && letter(Some(at + 2))));
    hyphen(back(1)) && is_word_before && is_word_behind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python_wraps() {
        // Each expected list is what textwrap.wrap gives.
        let check = |text: &str, width: usize, expected: &[&str]| {
            assert_eq!(wrap(text, width), expected, "{text} {width}");
        };
        check("", 5, &[]);
        check("a b c", 3, &["a b", "c"]);
        check(
            "two  blanks\nand\ttabs",
            12,
            &["two  blanks", "and     tabs"],
        );
        check(
            "a-word-that-is-longer-than-a-line x",
            16,
            &["a-word-that-is-", "longer-than-a-", "line x"],
        );
        check(
            "averyveryverylongwordwithouthyphens yes",
            15,
            &["averyveryverylo", "ngwordwithouthy", "phens yes"],
        );
        check("x averyveryverylong", 8, &["x averyv", "eryveryl", "ong"]);
        check(
            "--option=value-of 1-2",
            9,
            &["--option=", "value-of", "1-2"],
        );
    }
}
