//! `random`: random texts and numbers, and numbers that follow from a seed.

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::crypt;
use crate::digest::{self, Algorithm};
use crate::python;
use crate::random::below;
use crate::twister::Twister;

/// Longest random text.
const TEXT_MAX: i64 = 1 << 20;

/// Length of a password that is made here.
const PASSWORD_LENGTH: i64 = 20;

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const PUNCTUATION: &str = r##"!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"##;
const WHITESPACE: &str = " \t\n\r\u{b}\u{c}";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "random.get_str",
        "length=20, chars=None, lowercase=True, uppercase=True, digits=True, punctuation=True, whitespace=False, printable=False",
        "A random text, good for passwords: of the characters of chars, or of the kinds that are asked for. printable: of all kinds.",
        "random.get_str 128",
        text,
    ),
    Function::new(
        "random.hash",
        "value, algorithm='sha512'",
        "The hash of a text.",
        "random.hash 'I am a string' md5",
        |args, _| {
            let algorithm = Algorithm::named(&args.text("algorithm")?)
                .map_err(|_| Failure::exception("SaltException", "You must specify a valid algorithm."))?;
            Ok(json!(digest::of_bytes(algorithm, args.text("value")?.as_bytes())))
        },
    ),
    Function::new(
        "random.rand_int",
        "start=1, end=10, seed=None",
        "A random whole number from start to end, both included. seed: the number that follows from it, as with Salt.",
        "random.rand_int 1 100",
        |args, _| {
            let (start, end) = (args.integer("start")?, args.integer("end")?);
            let span = end.checked_sub(start).and_then(|span| u64::try_from(span).ok());
            let span = span.ok_or_else(|| Failure::invocation("start must not be greater than end"))?;
            let count = span.saturating_add(1);
            let number = match args.value("seed") {
                Value::Null => below(count)?,
                seed => seeded(seed)?.below(count),
            };
            Ok(json!(start.saturating_add_unsigned(number)))
        },
    ),
    Function::new(
        "random.sample",
        "value, size, seed=None",
        "Some items of a list, by chance or as they follow from a seed.",
        "random.sample '[a, b, c]' 2",
        |args, _| {
            let size = usize::try_from(args.integer("size")?).unwrap_or(usize::MAX);
            sample(args, size)
        },
    ),
    Function::new(
        "random.seed",
        "range=10, hash=None",
        "A whole number below range that follows from a text, the minion's id by default: always the same one, as with Salt.",
        "random.seed 60",
        |args, env| {
            let range = u64::try_from(args.integer("range")?).unwrap_or_default();
            if range == 0 {
                return Err(Failure::exception("ValueError", "empty range for randrange()"));
            }
            let seed = match args.value("hash") {
                Value::Null => json!(env.ctx.minion_id()),
                hash => hash.clone(),
            };
            Ok(json!(seeded(&seed)?.below(range)))
        },
    )
    .quick(),
    Function::new(
        "random.shadow_hash",
        "crypt_salt=None, password=None, algorithm='sha512'",
        "The hash of a password for /etc/shadow, with sha512 or sha256. Salt and password are random where none is given.",
        "random.shadow_hash 'My5alT' 'MyP@asswd' sha512",
        |args, _| {
            let password = match args.optional_text("password")? {
                Some(password) => password,
                None => chosen(PASSWORD_LENGTH, &[LOWER, UPPER, DIGITS, PUNCTUATION].concat().chars().collect::<Vec<_>>())?,
            };
            let salt = args.optional_text("crypt_salt")?;
            crypt::hash(&password, salt.as_deref(), &args.text("algorithm")?).map(Value::String)
        },
    ),
    Function::new(
        "random.shuffle",
        "value, seed=None",
        "The items of a list in another order, by chance or as it follows from a seed.",
        "random.shuffle '[a, b, c]'",
        |args, _| sample(args, args.value("value").as_array().map_or(0, Vec::len)),
    ),
    Function::new(
        "random.str_encode",
        "value, encoder='base64'",
        "A text in base64.",
        "random.str_encode 'I am a new string'",
        |args, _| match args.text("encoder")?.as_str() {
            "base64" => Ok(json!(data_encoding::BASE64.encode(args.text("value")?.as_bytes()))),
            _ => Err(Failure::invocation("You must specify a valid encoder")),
        },
    ),
];

fn text(args: &Args, _: &Env) -> Answer {
    let length = args.integer("length")?;
    if !(1..=TEXT_MAX).contains(&length) {
        return Err(Failure::invocation(format!(
            "length must be from 1 to {TEXT_MAX}"
        )));
    }
    let kinds = [
        ("lowercase", LOWER),
        ("uppercase", UPPER),
        ("digits", DIGITS),
        ("punctuation", PUNCTUATION),
        ("whitespace", WHITESPACE),
    ];
    let given = args
        .optional_text("chars")?
        .filter(|chars| !chars.is_empty());
    let chars: Vec<char> = if args.flag("printable") {
        kinds.iter().flat_map(|(_, chars)| chars.chars()).collect()
    } else if let Some(given) = given {
        given.chars().collect()
    } else {
        let wanted = kinds.iter().filter(|(kind, _)| args.flag(kind));
        wanted.flat_map(|(_, chars)| chars.chars()).collect()
    };
    if chars.is_empty() {
        return Err(Failure::invocation("no kind of character is asked for"));
    }
    chosen(length, &chars).map(Value::String)
}

/// A text of so many of these characters; there is at least one.
fn chosen(length: i64, chars: &[char]) -> Result<String, Failure> {
    let choose = |_| Ok(chars[below(chars.len() as u64)? as usize]);
    (0..length).map(choose).collect()
}

fn seeded(seed: &Value) -> Result<Twister, Failure> {
    match seed {
        Value::String(text) => Ok(Twister::of_text(text)),
        Value::Bool(truth) => Ok(Twister::of_integer(i64::from(*truth))),
        Value::Number(_) if seed.is_i64() => {
            Ok(Twister::of_integer(seed.as_i64().unwrap_or_default()))
        }
        other => {
            let text = format!(
                "a seed is a text or a whole number, not {}",
                python::repr(other)
            );
            Err(Failure::invocation(text))
        }
    }
}

fn sample(args: &Args, size: usize) -> Answer {
    let items = args.value("value").as_array();
    let items = items.ok_or_else(|| Failure::invocation("value must be a list"))?;
    if size > items.len() {
        let text = "Sample larger than population or is negative";
        return Err(Failure::exception("ValueError", text));
    }
    let places = match args.value("seed") {
        Value::Null => {
            let mut places: Vec<usize> = (0..items.len()).collect();
            for taken in 0..size {
                let other = taken + below((items.len() - taken) as u64)? as usize;
                places.swap(taken, other);
            }
            places.truncate(size);
            places
        }
        // Salt seeds by the hash of the seed's text.
        seed => {
            let hash = digest::of_bytes(Algorithm::Sha512, python::text(seed).as_bytes());
            Twister::of_text(&hash).sample(items.len(), size)
        }
    };
    Ok(places
        .into_iter()
        .filter_map(|at| items.get(at).cloned())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn texts() {
        let host = Host::new();
        let text = |call: Call| host.call(call).value.as_str().unwrap().to_owned();
        assert_eq!(text(Call::new("random.get_str")).len(), 20);
        assert_eq!(
            text(Call::new("random.get_str").arg(3).kwarg("chars", "x")),
            "xxx"
        );
        let digits = Call::new("random.get_str")
            .arg(50)
            .kwarg("lowercase", false)
            .kwarg("uppercase", false)
            .kwarg("punctuation", false);
        assert!(text(digits).chars().all(|c| c.is_ascii_digit()));
        assert!(!host.call(Call::new("random.get_str").arg(0)).success);
        assert_eq!(
            text(Call::new("random.hash").arg("abc").arg("md5")),
            "900150983cd24fb0d6963f7d28e17f72"
        );
        assert_eq!(text(Call::new("random.str_encode").arg("abc")), "YWJj");
        assert!(
            !host
                .call(Call::new("random.hash").arg("abc").arg("rot13"))
                .success
        );
    }

    #[test]
    fn passwords() {
        let host = Host::new();
        let shadow = Call::new("random.shadow_hash")
            .arg("saltsalt")
            .arg("secret")
            .arg("sha256");
        let text = |call: Call| host.call(call).value.as_str().unwrap().to_owned();
        assert!(text(shadow.clone()).starts_with("$5$saltsalt$"));
        assert!(text(Call::new("random.shadow_hash")).starts_with("$6$"));
        assert!(
            !host
                .call(Call::new("random.shadow_hash").kwarg("algorithm", "md5"))
                .success
        );
    }

    #[test]
    fn numbers() {
        let host = Host::new();
        let check = |call: Call, expected: Value| assert_eq!(host.call(call).value, expected);
        // The expected values are those of Salt.
        check(Call::new("random.seed").arg(60), json!(SEED_OF_ID));
        check(
            Call::new("random.seed").arg(60).arg("web1.example"),
            json!(45),
        );
        check(
            Call::new("random.rand_int")
                .arg(1)
                .arg(100)
                .kwarg("seed", 5),
            json!(RAND_INT),
        );
        check(
            Call::new("random.sample")
                .arg(json!(["a", "b", "c", "d"]))
                .arg(2)
                .kwarg("seed", "x"),
            json!(SAMPLE),
        );
        check(
            Call::new("random.shuffle")
                .arg(json!(["a", "b", "c", "d"]))
                .kwarg("seed", "x"),
            json!(SHUFFLE),
        );
        check(Call::new("random.rand_int").arg(4).arg(4), json!(4));
        let shuffled = host
            .call(Call::new("random.shuffle").arg(json!([1, 2, 3])))
            .value;
        let mut sorted: Vec<i64> = shuffled
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_i64)
            .collect();
        sorted.sort_unstable();
        assert_eq!(sorted, [1, 2, 3]);
        assert!(
            !host
                .call(Call::new("random.sample").arg(json!([1])).arg(2))
                .success
        );
        assert!(
            !host
                .call(Call::new("random.rand_int").arg(5).arg(4))
                .success
        );
        assert!(!host.call(Call::new("random.seed").arg(0)).success);
    }
    const SEED_OF_ID: u64 = 11;
    const RAND_INT: i64 = 80;
    const SAMPLE: [&str; 2] = ["d", "c"];
    const SHUFFLE: [&str; 4] = ["d", "c", "b", "a"];
}
