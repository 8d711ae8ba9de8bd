//! Colour, when the reader has a terminal that shows it.

/// How text may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// With the colours of the terminal.
    pub color: bool,
}

/// What a piece of text is, which gives it its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// A name: an id, a key of a map.
    Name,
    /// Text, and what went well.
    Text,
    /// Numbers, booleans and null; also what deserves a look.
    Literal,
    /// What went wrong.
    Bad,
    /// What went wrong before anything ran, and warnings.
    Alert,
    /// A heading.
    Heading,
}

impl Style {
    /// Without colour.
    pub const PLAIN: Style = Style { color: false };

    /// The text in the colour of its tone, as it is when colour is off. The caller has escaped the text.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Name => "36",
            Tone::Text => "32",
            Tone::Literal => "1;33",
            Tone::Bad => "31",
            Tone::Alert => "1;31",
            Tone::Heading => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
