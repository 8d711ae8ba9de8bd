//! Rows in columns.

/// How a column is set.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Columns between two cells.
const GAP: usize = 2;

/// The rows below a heading, each column as wide as its widest cell. Cells are escaped text of one line.
pub(crate) fn table(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let lines = || std::iter::once(&heading).chain(rows);
    let widths: Vec<usize> = (0..columns.len())
        .map(|index| {
            lines()
                .filter_map(|row| row.get(index))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for row in lines() {
        let mut line = String::new();
        for ((cell, width), (_, align)) in row.iter().zip(&widths).zip(columns) {
            let space = " ".repeat(width - cell.chars().count());
            match align {
                Align::Left => line.extend([cell.as_str(), &space]),
                Align::Right => line.extend([&space, cell.as_str()]),
            }
            line.extend(std::iter::repeat_n(' ', GAP));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_columns() {
        let row = |a: &str, b: &str, c: &str| vec![a.to_owned(), b.to_owned(), c.to_owned()];
        let text = table(
            &[
                ("A", Align::Left),
                ("NUMBER", Align::Right),
                ("C", Align::Left),
            ],
            &[row("ü", "1", "x"), row("long", "1,000", "")],
        );
        assert_eq!(text, "A     NUMBER  C\nü          1  x\nlong   1,000\n");
    }
}
