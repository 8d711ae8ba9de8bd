//! Filters that need more than their value: chance, the time and the host. They ask the functions of whoever renders, so a filter
//! is there where its function is, and the pillar of a hub says why it has none.

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::super::arguments::{Args, integer, optional_text, text};
use super::super::convert::to_json;
use super::super::fault::{Fault, Kind, Result};
use super::super::machine::Machine;
use super::super::operators::check_length;
use super::super::print::string;
use super::super::value::{Value, position};

pub(super) const NAMES: &[&str] = &[
    "date_format",
    "gen_mac",
    "rand_str",
    "random",
    "random_hash",
    "random_str",
    "strftime",
];

/// Filters that are functions under another name, with the same arguments in the same order.
const FUNCTIONS: &[(&str, &str)] = &[
    ("file_hashsum", "hashutil.digest_file"),
    ("get_uid", "file.user_to_uid"),
    ("hmac", "hashutil.hmac_signature"),
    ("hmac_compute", "hashutil.hmac_compute"),
    ("http_query", "http.query"),
    ("random_sample", "random.sample"),
    ("random_shuffle", "random.shuffle"),
    ("which", "cmd.which"),
];

/// What `random_str` is made of: the characters of base64.
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn exists(name: &str) -> bool {
    NAMES.contains(&name) || FUNCTIONS.iter().any(|(filter, _)| *filter == name)
}

pub(super) fn apply(
    machine: &mut Machine<'_>,
    name: &str,
    value: &Value,
    mut args: Args,
) -> Result<Value> {
    if let Some((_, function)) = FUNCTIONS.iter().find(|(filter, _)| *filter == name) {
        if name == "file_hashsum" {
            let [form, _chunk_size] = args.bind(name, ["form", "chunk_size"])?;
            args = Args::of(vec![form.unwrap_or_else(|| Value::str("sha256"))]);
        }
        args.positional.insert(0, value.clone());
        return ask(machine, function, args);
    }
    match name {
        "random" => {
            args.none(name)?;
            let length = value.length()? as i128;
            if length == 0 {
                return Ok(Value::undefined("No random item, sequence was empty."));
            }
            let at = chance(machine, length - 1)?;
            let items = value.iterate()?;
            let found = position(at, items.len()).map(|at| items[at].clone());
            Ok(found.unwrap_or(Value::None))
        }
        "random_str" => {
            args.none(name)?;
            let length = integer(value, name)?;
            check_length(usize::try_from(length).unwrap_or(0))?;
            ask(
                machine,
                "random.get_str",
                Args {
                    positional: vec![Value::Int(length)],
                    named: vec![("chars".into(), Value::str(BASE64))],
                },
            )
        }
        "random_hash" | "rand_str" => {
            let [kind] = args.bind(name, ["hash_type"])?;
            let kind = optional_text(kind, name)?.filter(|kind| !kind.is_empty());
            let number = chance(machine, integer(value, name)?)?.to_string();
            hash(kind.as_deref().unwrap_or("md5"), &number).map(Value::str)
        }
        "gen_mac" => {
            args.none(name)?;
            let mut mac = string(value)?;
            for _ in 0..3 {
                mac.push_str(&format!(":{:02X}", chance(machine, 0xFF)?));
            }
            Ok(Value::str(mac))
        }
        _ => {
            let [format] = args.bind(name, ["format"])?;
            let format = match format {
                None => "%Y-%m-%d".into(),
                Some(format) => text(&format, name)?,
            };
            let Some(told) = machine.functions.time(&to_json(value)?, &format) else {
                return Err(Fault::value(format!(
                    "'{name}' has no clock here: let the minion render it in a state file"
                )));
            };
            told.map(Value::str).map_err(Fault::value)
        }
    }
}

/// A whole number up to `most`, which may be it.
fn chance(machine: &mut Machine<'_>, most: i128) -> Result<i128> {
    let bounds = Args::of(vec![Value::Int(0), Value::Int(most)]);
    let number = ask(machine, "random.rand_int", bounds)?;
    integer(&number, "random.rand_int")
}

fn ask(machine: &mut Machine<'_>, function: &str, args: Args) -> Result<Value> {
    if !machine.functions.has(function) {
        let absence = machine.functions.absence(function);
        let absence = absence.unwrap_or_else(|| format!("'{function}' is not available"));
        return Err(Fault::new(Kind::Function, absence));
    }
    machine.salt(function, args)
}

fn hash(kind: &str, text: &str) -> Result<String> {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    Ok(match kind {
        "md5" => hex(&Md5::digest(text)),
        "sha1" => hex(&Sha1::digest(text)),
        "sha256" => hex(&Sha256::digest(text)),
        "sha512" => hex(&Sha512::digest(text)),
        other => {
            return Err(Fault::value(format!(
                "module 'hashlib' has no attribute '{other}'"
            )));
        }
    })
}
