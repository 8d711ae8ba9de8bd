//! `file.decode`: a file of data that the state or the pillar has as text.

use std::path::Path;

use serde_json::{Value, json};

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, begin, name_of};
use crate::digest::{self, Algorithm};
use crate::edit::replace;
use crate::python;

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.decode",
    "name, encoded_data=None, contents_pillar=None, encoding_type='base64', checksum='md5'",
    "Write what base64 text says into a file. The text stands in encoded_data, or in the pillar at contents_pillar. \
     checksum: the hash by which contents are compared and shown.",
    decode,
);

fn decode(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = name_of(args)?;
    let mut answer = begin(&name);
    let encoding = args.text("encoding_type")?;
    if encoding != "base64" {
        return Err(Failure::invocation(format!(
            "'{encoding}' is no encoding_type: base64 is"
        )));
    }
    let pillar = args
        .optional_text("contents_pillar")?
        .filter(|key| !key.is_empty());
    let text = match (args.flag("encoded_data"), pillar) {
        (true, Some(_)) => {
            return Err(Failure::command(
                "Specify only one 'encoded_data' or 'contents_pillar' argument.",
            ));
        }
        (true, None) => args.text("encoded_data")?,
        (false, Some(key)) => {
            let pillar = env.env.ctx.pillar().map_err(Failure::Command)?;
            match data::traverse(&pillar, &key, data::DEFAULT_DELIMITER) {
                None | Some(Value::Bool(false)) => {
                    return Err(Failure::command("Pillar data not found."));
                }
                Some(value) => python::text(value),
            }
        }
        (false, None) => {
            return Err(Failure::command(
                "Specify either the 'encoded_data' or 'contents_pillar' argument.",
            ));
        }
    };
    let plain: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let content = data_encoding::BASE64
        .decode(plain.as_bytes())
        .map_err(|error| Failure::command(format!("the text is no base64: {error}")))?;
    let algorithm = Algorithm::named(&args.text("checksum")?)?;
    let path = Path::new(&name);
    let new = digest::of_bytes(algorithm, &content);
    let old = match path.is_file() {
        true => Some(digest::of_file(algorithm, path, 1 << 18)?),
        false => None,
    };
    if old.as_ref() == Some(&new) {
        answer.comment = "File is in the correct state.".to_owned();
        return Ok(answer);
    }
    if old.is_some() || !env.is_test {
        answer.changes.insert("old".to_owned(), json!(old));
        answer.changes.insert("new".to_owned(), json!(new));
    }
    if env.is_test {
        answer.result = None;
        answer.comment = "File is set to be updated.".to_owned();
        return Ok(answer);
    }
    if path.is_dir() {
        let text = format!("Is a directory: '{name}'");
        return Err(Failure::command(text));
    }
    replace::replace(path, &content, replace::PUBLIC_MODE)
        .map_err(|error| Failure::io(path, error))?;
    answer.comment = "File was updated.".to_owned();
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;
    use std::fs;

    #[test]
    fn text_is_decoded() {
        let host = Host::new();
        let path = host.path("f");
        let args = json!({"name": path, "encoded_data": "YWJj\n"});
        let foretold = host.state("file.decode", args.clone(), true);
        assert_eq!(
            (foretold.result, foretold.comment.as_str()),
            (None, "File is set to be updated.")
        );
        let done = host.applies("file.decode", args);
        assert_eq!(
            Value::Object(done.changes),
            json!({"old": null, "new": "900150983cd24fb0d6963f7d28e17f72"})
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "abc");
        let none = host.state("file.decode", json!({"name": path}), false);
        assert!(none.comment.contains("Specify either"), "{}", none.comment);
        let wrong = host.state(
            "file.decode",
            json!({"name": path, "encoded_data": "%"}),
            false,
        );
        assert_eq!(wrong.result, Some(false));
    }
}
