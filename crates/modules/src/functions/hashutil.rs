//! `hashutil`: hashes, codes with a secret, and base64.

use std::fs;

use serde_json::json;

use super::{Answer, Args, Failure, Function};
use crate::digest::{self, Algorithm};

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
        "hashutil.base64_decodefile",
        "instr, outfile",
        "Decode base64 text into a file.",
        "hashutil.base64_decodefile instr='Z2V0IHNhbHRlZAo=' outfile='/path/to/binary_file'",
        |args, _| {
            let path = args.text("outfile")?;
            let bytes = decoded(&args.text("instr")?)?;
            fs::write(&path, bytes).map_err(|error| Failure::io(&path, error))?;
            Ok(json!(true))
        },
    ),
    Function::new(
        "hashutil.github_signature",
        "string, shared_secret, challenge_hmac",
        "Whether a text has the signature ALGORITHM=HASH, as webhooks of GitHub have it.",
        "hashutil.github_signature '{\"ref\": ....}' 'shared secret' 'sha1=bc6550fc290acf5b42283fa8deaf55cea0f8c206'",
        |args, _| {
            let challenge = args.text("challenge_hmac")?;
            let (name, wanted) = challenge.split_once('=').ok_or_else(|| {
                Failure::exception("ValueError", "the signature has no algorithm before a =")
            })?;
            let code = code(args, Algorithm::named(name)?)?;
            Ok(json!(is_equal(&digest::hexadecimal(&code), wanted)))
        },
    ),
    Function::new(
        "hashutil.hmac_compute",
        "string, shared_secret",
        "The HMAC of a text with SHA-256, in hexadecimal.",
        "hashutil.hmac_compute 'get salted' 'shared secret'",
        |args, _| Ok(json!(digest::hexadecimal(&code(args, Algorithm::Sha256)?))),
    ),
    Function::new(
        "hashutil.hmac_signature",
        "string, shared_secret, challenge_hmac",
        "Whether a text has this HMAC with SHA-256, in base64.",
        "hashutil.hmac_signature 'get salted' 'shared secret' 'eBWf9bstXg+NiP5AOwppB5HMvZiYMPzEM9W5YMm/AmQ='",
        |args, _| {
            let code = encode(&code(args, Algorithm::Sha256)?);
            Ok(json!(is_equal(&code, &args.text("challenge_hmac")?)))
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
    Ok(json!(String::from_utf8_lossy(&decoded(text)?)))
}

fn decoded(text: &str) -> Result<Vec<u8>, Failure> {
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
    Ok(bytes)
}

fn code(args: &Args, algorithm: Algorithm) -> Result<Vec<u8>, Failure> {
    let (text, secret) = (args.text("string")?, args.text("shared_secret")?);
    Ok(digest::hmac(algorithm, secret.as_bytes(), text.as_bytes()))
}

/// Compares all bytes, so that the time tells nothing of where they differ.
fn is_equal(ours: &str, theirs: &str) -> bool {
    let differ = ours
        .bytes()
        .zip(theirs.bytes())
        .fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
    ours.len() == theirs.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;
    use serde_json::Value;

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
    fn hashes_and_codes() {
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
        let signed = |name: &str| Call::new(name).arg("get salted").arg("shared secret");
        check(
            signed("hashutil.hmac_compute"),
            json!("78159ff5bb2d5e0f8d88fe403b0a690791ccbd989830fcc433d5b960c9bf0264"),
        );
        let signature = signed("hashutil.hmac_signature");
        check(
            signature
                .clone()
                .arg("eBWf9bstXg+NiP5AOwppB5HMvZiYMPzEM9W5YMm/AmQ="),
            json!(true),
        );
        check(
            signature.arg("eBWf9bstXg+NiP5AOwppB5HMvZiYMPzEM9W5YMm/AmA="),
            json!(false),
        );
        check(
            signed("hashutil.github_signature")
                .arg("sha1=b06aa56bdf4935eec82c4e53e83ed03f03fdb32d"),
            json!(true),
        );
        let out = host.path("decoded");
        let decode = Call::new("hashutil.base64_decodefile")
            .arg("AAEC/w==")
            .arg(out.as_str());
        check(decode, json!(true));
        assert_eq!(fs::read(out).unwrap(), [0, 1, 2, 255]);
    }
}
