//! The bytes of each message and record, as releases before this one write and read them.
//!
//! `protocol-1.txt` and its followers have a line for each sample: its name and its bytes. A neighbouring release reads what
//! this one writes, and a disk has what an older one wrote, so no line of a protocol that was released ever changes.
//!
//! Of what a command line and the daemon on its host say to each other only a part is among them: both are of one release, and
//! while a host is upgraded one may refuse the other's words.

mod control;
mod messages;
mod newer;
mod records;
mod requests;

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use wire::codec;

/// Name and bytes of each sample, by hand only for what is new.
const KEPT: [&str; 2] = [
    include_str!("protocol-1.txt"),
    include_str!("protocol-2.txt"),
];

const WHAT_TO_DO: &str = "\
    Neighbouring releases and disks that older ones wrote need these bytes. Leave the old type as it is; put what is new \
    into a new variant at the end of its enum, say it only in sessions whose protocol has it, and give it a line in the \
    file of that protocol (docs/protocol.md, Versions).";

/// Whether bytes are what they should be.
type Judge = Box<dyn Fn(&[u8]) -> bool>;

/// A value and its type.
pub struct Sample {
    name: &'static str,
    /// The enum or struct.
    kind: &'static str,
    written: Vec<u8>,
    /// Whether bytes decode to the value.
    reads: Judge,
    /// Whether bytes are refused as a variant that does not exist.
    is_unknown: fn(&[u8]) -> bool,
}

/// `sample!("name", Type, value)`.
macro_rules! sample {
    ($name:literal, $kind:ty, $value:expr) => {{
        let value: $kind = $value;
        crate::Sample {
            name: $name,
            kind: stringify!($kind),
            written: wire::codec::encode(&value).expect("a sample fits into a frame"),
            reads: Box::new(move |bytes| {
                wire::codec::decode::<$kind>(bytes).is_ok_and(|read| read == value)
            }),
            is_unknown: |bytes| {
                let refused = wire::codec::decode::<$kind>(bytes).map(|_| ());
                refused.is_err_and(|error| error.to_string().contains("UnexpectedVariant"))
            },
        }
    }};
}
pub(crate) use sample;

fn samples() -> Vec<Sample> {
    [
        messages::up(),
        messages::down(),
        messages::job(),
        requests::requests(),
        control::control(),
        control::call(),
        newer::protocol_2(),
        records::records(),
        records::trust(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn golden() -> BTreeMap<&'static str, &'static str> {
    let lines = KEPT.iter().flat_map(|kept| kept.lines());
    lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').expect("a name and bytes"))
        .collect()
}

#[test]
fn each_sample_has_the_bytes_that_it_always_had() {
    let golden = golden();
    let mut new = Vec::new();
    for sample in samples() {
        let written = HEXLOWER.encode(&sample.written);
        let Some(&kept) = golden.get(sample.name) else {
            new.push(format!("{} {written}", sample.name));
            continue;
        };
        let name = sample.name;
        assert_eq!(
            written, kept,
            "{name}: it is written differently. {WHAT_TO_DO}"
        );
        let bytes = HEXLOWER.decode(kept.as_bytes()).expect("hexadecimal");
        assert!(
            (sample.reads)(&bytes),
            "{name}: it is read differently. {WHAT_TO_DO}"
        );
    }
    assert!(
        new.is_empty(),
        "the lines of new samples are:\n{}",
        new.join("\n")
    );
}

#[test]
fn each_line_has_its_sample() {
    let mut lines = golden();
    for sample in samples() {
        lines.remove(sample.name);
    }
    assert!(
        lines.is_empty(),
        "samples are missing of {:?}. {WHAT_TO_DO}",
        lines.keys()
    );
}

/// Enums of which each variant has a sample.
const ENUMS: [&str; 10] = [
    "Up",
    "Down",
    "Request",
    "Answer",
    "EnrolAnswer",
    "Record",
    "JournalRecord",
    "PlanRecord",
    "CallAsk",
    "CallTell",
];

#[test]
fn each_variant_has_a_sample() {
    let samples = samples();
    for kind in ENUMS {
        let of_kind: Vec<_> = samples
            .iter()
            .filter(|sample| sample.kind == kind)
            .collect();
        let count = (0..=u8::MAX)
            .take_while(|variant| !(of_kind[0].is_unknown)(&[*variant]))
            .count();
        for variant in 0..count {
            assert!(
                of_kind
                    .iter()
                    .any(|sample| usize::from(sample.written[0]) == variant),
                "variant {variant} of {kind} has no sample"
            );
        }
    }
}

/// What a release does not know it refuses; it neither guesses nor skips.
#[test]
fn a_field_more_or_less_is_no_message() {
    for sample in samples() {
        let longer = [&sample.written[..], &[0]].concat();
        assert!(!(sample.reads)(&longer), "{}", sample.name);
        let shorter = &sample.written[..sample.written.len() - 1];
        assert!(!(sample.reads)(shorter), "{}", sample.name);
    }
    assert!(codec::decode::<wire::Up>(&[]).is_err());
}
