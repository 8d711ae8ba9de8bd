//! The comment in the head of managed files that says who manages them.

/// A box of comment characters around a title and a text.
pub(crate) struct Banner {
    /// Columns of the whole box.
    pub(crate) width: usize,
    /// What a comment begins with; its blanks count.
    pub(crate) comment: String,
    /// Its first character draws the border.
    pub(crate) border: String,
    pub(crate) start: Option<String>,
    pub(crate) end: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) text: Option<String>,
}

const TITLE: &str = "THIS FILE IS MANAGED BY SALT - DO NOT EDIT";
const TEXT: &str = "The contents of this file are managed by Salt. Any changes to this file may be overwritten automatically and without warning.";

impl Banner {
    /// The lines of the box, the last without a line break; none when the box is too narrow.
    pub(crate) fn draw(&self) -> Option<String> {
        let (left, right) = (self.comment.trim_end(), self.comment.trim());
        let (left_width, right_width) = (left.chars().count(), right.chars().count());
        let width = self
            .width
            .checked_sub(left_width + right_width + 2)
            .filter(|width| *width > 0)?;
        let repeated = |c: char, count: usize| std::iter::repeat_n(c, count).collect::<String>();
        let edge: String = match self.border.chars().next() {
            Some(c) => repeated(c, self.width - left_width - right_width),
            None => String::new(),
        };
        let border = format!("{}{edge}{right}", self.comment);
        let gap = self.width.saturating_sub(self.comment.chars().count() * 2);
        let spacer = format!("{0}{1}{0}", self.comment, repeated(' ', gap));
        let mut lines: Vec<String> = self.start.clone().into_iter().collect();
        lines.push(border.clone());
        lines.push(spacer.clone());
        for line in data::wrap(self.title.as_deref().unwrap_or(TITLE), width) {
            lines.push(format!("{left} {} {right}", centred(&line, width)));
        }
        lines.push(spacer);
        for line in data::wrap(self.text.as_deref().unwrap_or(TEXT), width) {
            let rest = repeated(' ', width.saturating_sub(line.chars().count()));
            lines.push(format!("{left} {line}{rest} {right}"));
        }
        lines.push(border);
        lines.extend(self.end.clone());
        Some(lines.join("\n"))
    }
}

/// A line in the middle; an odd blank stands as Python puts it.
fn centred(line: &str, width: usize) -> String {
    let gap = width.saturating_sub(line.chars().count());
    let left = gap / 2 + (gap & width & 1);
    let blanks = |count: usize| " ".repeat(count);
    format!("{}{line}{}", blanks(left), blanks(gap - left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(width: usize, comment: &str) -> Banner {
        Banner {
            width,
            comment: comment.to_owned(),
            border: "#".to_owned(),
            start: None,
            end: None,
            title: None,
            text: None,
        }
    }

    #[test]
    fn as_salt_draws_it() {
        let expected = "\
########################################################################
#                                                                      #
#              THIS FILE IS MANAGED BY SALT - DO NOT EDIT              #
#                                                                      #
# The contents of this file are managed by Salt. Any changes to this   #
# file may be overwritten automatically and without warning.           #
########################################################################";
        assert_eq!(banner(72, "#").draw().as_deref(), Some(expected));
        assert_eq!(banner(4, "#").draw(), None);
        let mut small = banner(20, "# ");
        small.start = Some("<".to_owned());
        small.end = Some(">".to_owned());
        small.title = Some("odd".to_owned());
        small.text = Some("a-word-that-is-longer-than-a-line x".to_owned());
        let expected = "\
<
# ###################
#                 # 
#       odd        #
#                 # 
# a-word-that-is-  #
# longer-than-a-   #
# line x           #
# ###################
>";
        assert_eq!(small.draw().as_deref(), Some(expected));
    }
}
