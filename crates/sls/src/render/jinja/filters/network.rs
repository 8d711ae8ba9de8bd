//! Filters on addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::arguments::Args;
use super::super::fault::Result;
use super::super::print::string;
use super::super::value::Value;

pub(super) const NAMES: &[&str] = &[
    "ipaddr", "ipv4", "ipv6", "ipwrap", "is_ip", "is_ipv4", "is_ipv6",
];

pub(super) fn apply(name: &str, value: &Value, args: Args) -> Result<Value> {
    args.none(name)?;
    let wanted = |address: &Address| match name {
        "ipv4" | "is_ipv4" => address.is_v4,
        "ipv6" | "is_ipv6" => !address.is_v4,
        _ => true,
    };
    match name {
        "is_ip" | "is_ipv4" | "is_ipv6" => {
            let text = string(value)?;
            Ok(Value::Bool(
                Address::read(&text).is_some_and(|address| wanted(&address)),
            ))
        }
        "ipwrap" => each(value, |item| {
            let text = string(item)?;
            Ok(Some(match Address::read(&text) {
                Some(address) if !address.is_v4 => Value::str(format!("[{text}]")),
                _ => item.clone(),
            }))
        }),
        _ => each(value, |item| {
            let text = string(item)?;
            Ok(Address::read(&text)
                .filter(wanted)
                .map(|address| Value::str(address.text)))
        }),
    }
}

/// An address, or one with the length of its network's prefix.
struct Address {
    is_v4: bool,
    text: String,
}

impl Address {
    fn read(text: &str) -> Option<Address> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = match address.parse::<Ipv4Addr>() {
            Ok(address) => address.into(),
            Err(_) => address.parse::<Ipv6Addr>().ok()?.into(),
        };
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        if let Some(prefix) = prefix {
            prefix.parse::<u8>().ok().filter(|bits| *bits <= bits_max)?;
        }
        Some(Address {
            is_v4: address.is_ipv4(),
            text: prefix.map_or_else(
                || address.to_string(),
                |prefix| format!("{address}/{prefix}"),
            ),
        })
    }
}

/// Each of a list, without what gives nothing; None for a single value that gives nothing.
fn each(value: &Value, change: impl Fn(&Value) -> Result<Option<Value>>) -> Result<Value> {
    match value {
        Value::List(_) | Value::Tuple(_) | Value::Sequence(_) => {
            let mut kept = Vec::new();
            for item in value.iterate()? {
                kept.extend(change(&item)?);
            }
            Ok(Value::list(kept))
        }
        one => Ok(change(one)?.unwrap_or(Value::None)),
    }
}
