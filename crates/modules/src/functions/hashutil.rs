//! `hashutil` and `random`: hashes, base64, random texts.

use std::fs;

use serde_json::{Value, json};

use super::{Answer, Args, Failure, Function};
use crate::digest::{self, Algorithm};
use crate::random;

/// Longest random text.
const RANDOM_MAX: i64 = 1 << 20;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes of input in a line of MIME's base64, 76 characters.
const MIME_LINE: usize = 57;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "hashutil.base64_b64decode",
        "instr",
        "Decode base64 text.",
        "hashutil.base64_b64decode 'Z2V0IHNhbHRlZA=='",
        |args, _| decode(&args.text("instr")?),
    ),
    Function::new(
        "hashutil.base64_b64encode",
        "instr",
        "Encode text as base64 on one line.",
        "hashutil.base64_b64encode 'get salted'",
        |args, _| Ok(json!(encode(args.text("instr")?.as_bytes()))),
    ),
    Function::new(
        "hashutil.base64_decodestring",
        "instr",
        "Decode base64 text.",
        "hashutil.base64_decodestring 'Z2V0IHNhbHRlZA=='",
        |args, _| decode(&args.text("instr")?),
    ),
    Function::new(
        "hashutil.base64_encodefile",
        "fname",
        "Encode a file as base64, in lines of 76 characters.",
        "hashutil.base64_encodefile /path/to/binary_file",
        |args, _| {
            let path = args.text("fname")?;
            Ok(json!(encode_lines(
                &fs::read(&path).map_err(|error| Failure::io(&path, error))?
            )))
        },
    ),
    Function::new(
        "hashutil.base64_encodestring",
        "instr",
        "Encode text as base64, in lines of 76 characters.",
        "hashutil.base64_encodestring 'get salted'",
        |args, _| Ok(json!(encode_lines(args.text("instr")?.as_bytes()))),
    ),
    Function::new(
        "hashutil.digest",
        "instr, checksum='md5'",
        "Hash text; checksum is md5, sha1, sha256, sha512 or another known algorithm.",
        "hashutil.digest 'get salted' sha256",
        |args, _| {
            let algorithm = Algorithm::named(&args.text("checksum")?)?;
            Ok(json!(digest::of_bytes(
                algorithm,
                args.text("instr")?.as_bytes()
            )))
        },
    ),
    Function::new(
        "hashutil.digest_file",
        "infile, checksum='md5'",
        "Hash a file.",
        "hashutil.digest_file /path/to/file sha256",
        |args, _| {
            let algorithm = Algorithm::named(&args.text("checksum")?)?;
            Ok(json!(digest::of_file(
                algorithm,
                args.text("infile")?.as_ref(),
                1 << 18
            )?))
        },
    ),
    Function::new(
        "hashutil.md5_digest",
        "instr",
        "The MD5 hash of text.",
        "hashutil.md5_digest 'get salted'",
        |args, _| {
            Ok(json!(digest::of_bytes(
                Algorithm::Md5,
                args.text("instr")?.as_bytes()
            )))
        },
    ),
    Function::new(
        "hashutil.sha256_digest",
        "instr",
        "The SHA-256 hash of text.",
        "hashutil.sha256_digest 'get salted'",
        |args, _| {
            Ok(json!(digest::of_bytes(
                Algorithm::Sha256,
                args.text("instr")?.as_bytes()
            )))
        },
    ),
    Function::new(
        "hashutil.sha512_digest",
        "instr",
        "The SHA-512 hash of text.",
        "hashutil.sha512_digest 'get salted'",
        |args, _| {
            Ok(json!(digest::of_bytes(
                Algorithm::Sha512,
                args.text("instr")?.as_bytes()
            )))
        },
    ),
    Function::new(
        "random.get_str",
        "length=20, chars=None",
        "A random text from letters, digits and underscores, or from the characters of chars. Good for passwords.",
        "random.get_str 128",
        random_text,
    ),
    Function::new(
        "random.rand_int",
        "start=1, end=10",
        "A random whole number from start to end, both included.",
        "random.rand_int 1 100",
        |args, _| {
            let (start, end) = (args.integer("start")?, args.integer("end")?);
            let count = end
                .checked_sub(start)
                .and_then(|span| u64::try_from(span).ok());
            let count =
                count.ok_or_else(|| Failure::invocation("start must not be greater than end"))?;
            Ok(json!(start.saturating_add_unsigned(random::below(
                count.saturating_add(1)
            )?)))
        },
    ),
];

fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let is_padding = place > chunk.len();
            let letter = BASE64[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if is_padding { '=' } else { char::from(letter) });
        }
    }
    out
}

fn encode_lines(bytes: &[u8]) -> String {
    bytes
        .chunks(MIME_LINE)
        .map(|line| encode(line) + "\n")
        .collect()
}

fn decode(text: &str) -> Answer {
    let invalid = || Failure::exception("binascii.Error", "Invalid base64 text");
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let end = digits
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |at| at + 1);
    if !digits.len().is_multiple_of(4) || digits.len() - end > 2 {
        return Err(invalid());
    }
    let mut bytes = Vec::with_capacity(end * 3 / 4);
    for chunk in digits[..end].chunks(4) {
        let mut bits = 0u32;
        for digit in chunk {
            let value = BASE64
                .iter()
                .position(|letter| letter == digit)
                .ok_or_else(invalid)?;
            bits = bits << 6 | value as u32;
        }
        bits <<= 6 * (4 - chunk.len());
        bytes.extend(bits.to_be_bytes()[1..chunk.len()].iter());
    }
    Ok(json!(String::from_utf8_lossy(&bytes)))
}

fn random_text(args: &Args, _: &super::Env) -> Result<Value, Failure> {
    let length = args.integer("length")?;
    if !(1..=RANDOM_MAX).contains(&length) {
        return Err(Failure::invocation(format!(
            "length must be from 1 to {RANDOM_MAX}"
        )));
    }
    let default = || {
        ('a'..='z')
            .chain('A'..='Z')
            .chain('0'..='9')
            .chain(['_'])
            .collect()
    };
    let chars: Vec<char> = args
        .optional_text("chars")?
        .map_or_else(default, |chars| chars.chars().collect());
    if chars.is_empty() {
        return Err(Failure::invocation("chars must not be empty"));
    }
    let text: Result<String, Failure> = (0..length)
        .map(|_| Ok(chars[random::below(chars.len() as u64)? as usize]))
        .collect();
    Ok(json!(text?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn base64_goes_both_ways() {
        let host = Host::new();
        let check = |text: &str, encoded: &str| {
            assert_eq!(
                host.call(Call::new("hashutil.base64_b64encode").arg(text))
                    .value,
                json!(encoded)
            );
            assert_eq!(
                host.call(Call::new("hashutil.base64_b64decode").arg(encoded))
                    .value,
                json!(text)
            );
        };
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("get salted", "Z2V0IHNhbHRlZA==");
        for broken in ["Zg", "Z===", "Zg=a", "Z*=="] {
            assert!(
                !host
                    .call(Call::new("hashutil.base64_b64decode").arg(broken))
                    .success,
                "{broken}"
            );
        }
        let file = host.write("f", &"x".repeat(60));
        let text = host
            .call(Call::new("hashutil.base64_encodefile").arg(file))
            .value;
        assert_eq!(
            text.as_str()
                .unwrap()
                .lines()
                .map(str::len)
                .collect::<Vec<_>>(),
            [76, 4]
        );
    }

    #[test]
    fn hashes_and_random_texts() {
        let host = Host::new();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        check(
            Call::new("hashutil.digest").arg("abc"),
            json!("900150983cd24fb0d6963f7d28e17f72"),
        );
        check(
            Call::new("hashutil.md5_digest").arg("abc"),
            json!("900150983cd24fb0d6963f7d28e17f72"),
        );
        let file = host.write("f", "abc");
        check(
            Call::new("hashutil.digest_file").arg(file).arg("sha1"),
            json!("a9993e364706816aba3e25717850c26c9cd0d89d"),
        );
        check(
            Call::new("random.get_str").arg(3).kwarg("chars", "x"),
            json!("xxx"),
        );
        check(Call::new("random.rand_int").arg(4).arg(4), json!(4));
        assert_eq!(
            host.call(Call::new("random.get_str"))
                .value
                .as_str()
                .unwrap()
                .len(),
            20
        );
        assert!(!host.call(Call::new("random.get_str").arg(0)).success);
        assert!(
            !host
                .call(Call::new("random.rand_int").arg(5).arg(4))
                .success
        );
    }
}
