//! Messages in text: where they begin and end, and what they are replaced by.

use serde_json::Value;
use sls::render::Data;

/// The lines around a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Armour {
    pub(crate) begin: &'static str,
    pub(crate) end: &'static str,
}

impl Armour {
    /// Replaces each message in all texts of some data, keys left alone, by what `open` makes of it. An error ends it.
    pub(crate) fn open_all(
        self,
        data: &Data,
        open: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Data, String> {
        Ok(match data {
            Data::Text(text) => Data::Text(self.in_text(text, open)?),
            Data::Tree(tree) => Data::Tree(self.in_tree(tree, open)?),
        })
    }

    fn in_tree(
        self,
        tree: &Value,
        open: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Value, String> {
        Ok(match tree {
            Value::String(text) => Value::String(self.in_text(text, open)?),
            Value::Array(items) => {
                let items = items.iter().map(|item| self.in_tree(item, open));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(map) => {
                let entries = map
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.in_tree(value, open)?)));
                Value::Object(entries.collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    fn in_text(
        self,
        text: &str,
        open: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<String, String> {
        let mut opened = String::new();
        let mut rest = text;
        while let Some((before, message, after)) = self.split(rest) {
            opened.push_str(before);
            // Messages are written on one line, too.
            opened.push_str(&open(&message.replace("\\n", "\n"))?);
            rest = after;
        }
        if rest.len() == text.len() {
            return Ok(text.to_owned());
        }
        opened.push_str(rest);
        // YAML gives the line break of a block along with the message.
        opened.truncate(opened.trim_end_matches('\n').len());
        Ok(opened)
    }

    /// What is before the first message, the message, and what is after it.
    fn split(self, text: &str) -> Option<(&str, &str, &str)> {
        let begin = text.find(self.begin)?;
        let (before, message) = text.split_at(begin);
        let end = message.find(self.end)? + self.end.len();
        let (message, after) = message.split_at(end);
        Some((before, message, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ARMOUR: Armour = Armour {
        begin: "<<",
        end: ">>",
    };

    fn check(data: Value, expected: Result<Value, &str>) {
        let open = |message: &str| match message {
            "<<bad>>" => Err("bad".to_owned()),
            message => Ok(message.trim_matches(['<', '>']).to_uppercase()),
        };
        let opened = ARMOUR.open_all(&Data::Tree(data), &open);
        assert_eq!(opened, expected.map(Data::Tree).map_err(str::to_owned));
    }

    #[test]
    fn messages_are_replaced_wherever_they_are() {
        check(json!("a <<b>> c <<d>>\n\n"), Ok(json!("a B c D")));
        check(json!("a\n"), Ok(json!("a\n")));
        check(json!("<<no end\n"), Ok(json!("<<no end\n")));
        check(json!("<<a\\nb>>"), Ok(json!("A\nB")));
        check(
            json!({"<<k>>": [1, null, "<<v>>"]}),
            Ok(json!({"<<k>>": [1, null, "V"]})),
        );
        check(json!(["<<bad>>"]), Err("bad"));
    }
}
