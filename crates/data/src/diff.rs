//! The difference of two texts, as Python's `difflib.unified_diff` prints it: operators compare these texts.
//!
//! Longest common runs are found as `difflib` finds them, as other algorithms give other (no less right) differences.

use std::collections::HashMap;
use std::ops::Range;

/// Unchanged lines around a change.
const CONTEXT: usize = 3;

/// From this many lines on, lines that stand often do not begin a common run.
const POPULAR_FROM: usize = 200;

/// The difference of two texts; empty when they are equal. `from` and `to` stand behind `---` and `+++`.
pub fn of_texts(old: &str, new: &str, from: &str, to: &str) -> String {
    let (old, new) = (lines(old), lines(new));
    of_lines(&old, &new, from, to)
}

/// The difference of lines, each with its end.
pub fn of_lines<T: AsRef<str>>(old: &[T], new: &[T], from: &str, to: &str) -> String {
    pieces(old, new, from, to).concat()
}

/// The difference of two texts without the lines around changes, and without names.
pub fn bare(old: &str, new: &str) -> String {
    pieces_within(&lines(old), &lines(new), "", "", 0).concat()
}

/// The difference of lines as the pieces that `difflib` yields: headers with line feeds, and each line as it is given behind its mark.
pub fn pieces<T: AsRef<str>>(old: &[T], new: &[T], from: &str, to: &str) -> Vec<String> {
    pieces_within(old, new, from, to, CONTEXT)
}

/// As [`pieces`], with so many unchanged lines around a change.
pub fn pieces_within<T: AsRef<str>>(
    old: &[T],
    new: &[T],
    from: &str,
    to: &str,
    context: usize,
) -> Vec<String> {
    let old: Vec<&str> = old.iter().map(AsRef::as_ref).collect();
    let new: Vec<&str> = new.iter().map(AsRef::as_ref).collect();
    let mut out = Vec::new();
    for group in grouped(runs(&old, &new), context) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        if out.is_empty() {
            out.extend([format!("--- {from}\n"), format!("+++ {to}\n")]);
        }
        out.push(format!(
            "@@ -{} +{} @@\n",
            range_text(first.old.start..last.old.end),
            range_text(first.new.start..last.new.end)
        ));
        for run in &group {
            let mut write = |mark: char, lines: &[&str]| {
                out.extend(lines.iter().map(|line| format!("{mark}{line}")));
            };
            if run.is_equal {
                write(' ', &old[run.old.clone()]);
            } else {
                write('-', &old[run.old.clone()]);
                write('+', &new[run.new.clone()]);
            }
        }
    }
    out
}

/// The lines of a text with their ends, which are line feeds alone.
pub fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// A piece of both texts: the same in both, or replaced.
#[derive(Debug, Clone)]
struct Run {
    is_equal: bool,
    old: Range<usize>,
    new: Range<usize>,
}

/// Lines from one on, and how many; an empty range is named by the line before it.
fn range_text(range: Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        length => format!("{},{length}", range.start + 1),
    }
}

/// Both texts from begin to end as runs.
fn runs(old: &[&str], new: &[&str]) -> Vec<Run> {
    let mut runs = Vec::new();
    let (mut i, mut j) = (0, 0);
    for (at_old, at_new, length) in common(old, new) {
        if i < at_old || j < at_new {
            runs.push(Run {
                is_equal: false,
                old: i..at_old,
                new: j..at_new,
            });
        }
        (i, j) = (at_old + length, at_new + length);
        if length > 0 {
            runs.push(Run {
                is_equal: true,
                old: at_old..i,
                new: at_new..j,
            });
        }
    }
    runs
}

/// Runs near each other with some unchanged lines around them.
fn grouped(mut runs: Vec<Run>, context: usize) -> Vec<Vec<Run>> {
    if let Some(first) = runs.first_mut().filter(|run| run.is_equal) {
        let dropped = first.old.len().saturating_sub(context);
        first.old.start += dropped;
        first.new.start += dropped;
    }
    if let Some(last) = runs.last_mut().filter(|run| run.is_equal) {
        let dropped = last.old.len().saturating_sub(context);
        last.old.end -= dropped;
        last.new.end -= dropped;
    }
    let mut groups = Vec::new();
    let mut group: Vec<Run> = Vec::new();
    for mut run in runs {
        if run.is_equal && run.old.len() > 2 * context {
            let mut head = run.clone();
            head.old.end = head.old.start + context;
            head.new.end = head.new.start + context;
            group.push(head);
            groups.push(std::mem::take(&mut group));
            run.old.start = run.old.end - context;
            run.new.start = run.new.end - context;
        }
        group.push(run);
    }
    groups.push(group);
    groups.retain(|group| group.iter().any(|run| !run.is_equal));
    groups
}

/// Common runs in order: where they begin in both texts, and their lengths. The last one is empty and stands at the end.
fn common(old: &[&str], new: &[&str]) -> Vec<(usize, usize, usize)> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, line) in new.iter().enumerate() {
        places.entry(line).or_default().push(at);
    }
    if new.len() >= POPULAR_FROM {
        let most = new.len() / 100 + 1;
        places.retain(|_, found| found.len() <= most);
    }
    let mut found = Vec::new();
    let mut waiting = vec![(0..old.len(), 0..new.len())];
    while let Some((in_old, in_new)) = waiting.pop() {
        let (i, j, length) = longest(old, new, &places, &in_old, &in_new);
        if length == 0 {
            continue;
        }
        found.push((i, j, length));
        if in_old.start < i && in_new.start < j {
            waiting.push((in_old.start..i, in_new.start..j));
        }
        if i + length < in_old.end && j + length < in_new.end {
            waiting.push((i + length..in_old.end, j + length..in_new.end));
        }
    }
    found.sort_unstable();
    let mut joined: Vec<(usize, usize, usize)> = Vec::new();
    for (i, j, length) in found {
        match joined.last_mut() {
            Some((a, b, before)) if *a + *before == i && *b + *before == j => *before += length,
            _ => joined.push((i, j, length)),
        }
    }
    joined.push((old.len(), new.len(), 0));
    joined
}

/// The first of the longest common runs of two ranges; length 0 when there is none.
fn longest(
    old: &[&str],
    new: &[&str],
    places: &HashMap<&str, Vec<usize>>,
    in_old: &Range<usize>,
    in_new: &Range<usize>,
) -> (usize, usize, usize) {
    let (mut i, mut j, mut length) = (in_old.start, in_new.start, 0);
    // Length of the common run that ends at the line before in the old text and at this one in the new.
    let mut ending: HashMap<usize, usize> = HashMap::new();
    for at_old in in_old.clone() {
        let mut now = HashMap::new();
        for &at_new in places.get(old[at_old]).map_or(&[][..], Vec::as_slice) {
            if at_new < in_new.start {
                continue;
            }
            if at_new >= in_new.end {
                break;
            }
            let before = at_new.checked_sub(1).and_then(|before| ending.get(&before));
            let run = before.copied().unwrap_or(0) + 1;
            now.insert(at_new, run);
            if run > length {
                (i, j, length) = (at_old + 1 - run, at_new + 1 - run, run);
            }
        }
        ending = now;
    }
    // Lines that stand often were left out above; they count beside a run.
    while i > in_old.start && j > in_new.start && old[i - 1] == new[j - 1] {
        (i, j, length) = (i - 1, j - 1, length + 1);
    }
    while i + length < in_old.end && j + length < in_new.end && old[i + length] == new[j + length] {
        length += 1;
    }
    (i, j, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each case is old and new (a letter is a line) and what Python's difflib prints for them.
    #[test]
    fn differences_are_those_of_difflib() {
        let cases: Vec<(String, String, String)> =
            serde_json::from_str(include_str!("testdata/diff.json")).unwrap();
        assert!(cases.len() > 100);
        for (old, new, expected) in cases {
            let spread = |text: &str| -> Vec<String> {
                text.chars().map(|letter| format!("{letter}\n")).collect()
            };
            let (old, new) = (spread(&old), spread(&new));
            let old: Vec<&str> = old.iter().map(String::as_str).collect();
            let new: Vec<&str> = new.iter().map(String::as_str).collect();
            assert_eq!(of_lines(&old, &new, "a", "b"), expected);
        }
    }

    #[test]
    fn last_lines_without_an_end_run_on() {
        let diff = of_texts("a\nb", "a\nc", "", "");
        assert_eq!(diff, "--- \n+++ \n@@ -1,2 +1,2 @@\n a\n-b+c");
        assert_eq!(of_texts("a\n", "a\n", "", ""), "");
        let diff = bare("a\nb\nc\n", "a\nx\nc\nd\n");
        assert_eq!(diff, "--- \n+++ \n@@ -2 +2 @@\n-b\n+x\n@@ -3,0 +4 @@\n+d\n");
    }
}
