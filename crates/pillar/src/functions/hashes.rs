//! `hashutil`: hashes and base64 of texts.

use data::python;
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use sha2::Digest;

use super::arguments::{Arguments, text_or};
use super::{Answer, Hub, Table};

pub(super) const FUNCTIONS: Table = &[
    ("base64_b64decode", decode),
    ("base64_b64encode", |_, args| {
        Ok(json!(BASE64.encode(text(args)?.as_bytes())))
    }),
    ("base64_decodestring", decode),
    ("digest", |_, args| {
        let [text, checksum] = args.bind(["instr", "checksum"], 1)?;
        let name = text_or(&checksum, "md5");
        hash(&name, &python::text(&text)).ok_or_else(|| format!("Invalid hash type: {name}"))
    }),
    ("md5_digest", |_, args| named(args, "md5")),
    ("sha256_digest", |_, args| named(args, "sha256")),
    ("sha512_digest", |_, args| named(args, "sha512")),
];

fn text(args: &mut Arguments) -> Result<String, String> {
    let [text] = args.bind(["instr"], 1)?;
    Ok(python::text(&text))
}

fn named(args: &mut Arguments, name: &str) -> Answer {
    let text = text(args)?;
    Ok(hash(name, &text).unwrap_or_default())
}

fn hash(name: &str, text: &str) -> Option<Value> {
    fn of<D: Digest>(text: &str) -> String {
        HEXLOWER.encode(&D::digest(text.as_bytes()))
    }
    let hash = match name {
        "md5" => of::<md5::Md5>(text),
        "sha1" => of::<sha1::Sha1>(text),
        "sha224" => of::<sha2::Sha224>(text),
        "sha256" => of::<sha2::Sha256>(text),
        "sha384" => of::<sha2::Sha384>(text),
        "sha512" => of::<sha2::Sha512>(text),
        _ => return None,
    };
    Some(json!(hash))
}

fn decode(_: &Hub<'_>, args: &mut Arguments) -> Answer {
    let text = text(args)?;
    let digits: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = BASE64
        .decode(digits.as_bytes())
        .map_err(|error| format!("Invalid base64 text: {error}"))?;
    Ok(json!(String::from_utf8_lossy(&bytes)))
}
