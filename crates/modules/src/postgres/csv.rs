//! Lines of values that commas part, as `COPY … WITH CSV` writes them.

/// The values of each line. Empty lines are none.
pub(super) fn read(text: &str) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    let mut line: Vec<String> = Vec::new();
    let mut value = String::new();
    let mut is_quoted = false;
    let mut is_empty = true;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                value.push('"');
            }
            '"' => {
                is_quoted = !is_quoted;
                is_empty = false;
            }
            ',' if !is_quoted => {
                line.push(std::mem::take(&mut value));
                is_empty = false;
            }
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                if !is_empty {
                    line.push(std::mem::take(&mut value));
                    lines.push(std::mem::take(&mut line));
                }
                is_empty = true;
            }
            c => {
                value.push(c);
                is_empty = false;
            }
        }
    }
    if !is_empty {
        line.push(value);
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        let check = |text: &str, expected: &[&[&str]]| assert_eq!(read(text), expected, "{text:?}");
        check("", &[]);
        check("a,b\n1,\n", &[&["a", "b"], &["1", ""]]);
        check(
            "\"a,\"\"b\"\"\",c\n\n\"x\ny\",z",
            &[&["a,\"b\"", "c"], &["x\ny", "z"]],
        );
        check("\"\"\n", &[&[""]]);
    }
}
