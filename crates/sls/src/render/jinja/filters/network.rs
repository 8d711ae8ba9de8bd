//! Filters on addresses and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use data::net::{self, Net, is_private};

use super::super::arguments::{Args, optional_text, required};
use super::super::fault::{Fault, Result};
use super::super::operators::check_items;
use super::super::print::{repr, string};
use super::super::value::{Map, Value};

pub(super) const NAMES: &[&str] = &[
    "filter_by_networks",
    "ip_host",
    "ipaddr",
    "ipv4",
    "ipv6",
    "ipwrap",
    "is_ip",
    "is_ipv4",
    "is_ipv6",
    "network_hosts",
    "network_size",
];

pub(super) fn apply(name: &str, value: &Value, args: Args) -> Result<Value> {
    match name {
        "filter_by_networks" => {
            let networks = args.one(name, "networks")?;
            filter_by_networks(value, &networks)
        }
        "ipwrap" => {
            args.none(name)?;
            match value {
                Value::List(_) | Value::Tuple(_) => {
                    let wrapped = value.iterate()?;
                    let wrapped: Result<_> = wrapped.iter().map(wrap).collect();
                    Ok(Value::list(wrapped?))
                }
                one => wrap(one),
            }
        }
        "is_ip" | "is_ipv4" | "is_ipv6" => {
            let [options] = args.bind(name, ["options"])?;
            let options = Options::read(options, name)?;
            let found = Address::read(value)?;
            Ok(Value::Bool(found.is_some_and(|address| {
                address.is_of(version(name)) && options.allow(&address)
            })))
        }
        "ipaddr" | "ipv4" | "ipv6" => {
            let [options] = args.bind(name, ["options"])?;
            let options = Options::read(options, name)?;
            let found = wanted(value, &options, version(name))?;
            Ok(found.map(|address| Value::str(address.text())))
        }
        _ => {
            let [options, version] = args.bind(name, ["options", "version"])?;
            let options = Options::read(options, name)?;
            let version = version.and_then(|version| version.as_index());
            let found = wanted(value, &options, version.filter(|version| *version != 0))?;
            if found.is_empty() {
                return Ok(Value::None);
            }
            match name {
                "ip_host" => Ok(found.map(|address| Value::str(address.net.to_string()))),
                "network_hosts" => found.try_map(|address| hosts(address.net)),
                _ => Ok(found.map(|address| size(address.net))),
            }
        }
    }
}

/// The version of the protocol that a filter is for.
fn version(name: &str) -> Option<i128> {
    match name {
        "ipv4" | "is_ipv4" => Some(4),
        "ipv6" | "is_ipv6" => Some(6),
        _ => None,
    }
}

/// An address, or one with the length of its network's prefix.
#[derive(Clone, Copy)]
struct Address {
    net: Net,
    has_prefix: bool,
}

impl Address {
    fn read(value: &Value) -> Result<Option<Address>> {
        let text = string(value)?;
        Ok(Net::parse(&text).map(|net| Address {
            net,
            has_prefix: text.contains('/'),
        }))
    }

    fn text(&self) -> String {
        if self.has_prefix {
            self.net.to_string()
        } else {
            net::text(self.net.address())
        }
    }

    fn is_of(&self, version: Option<i128>) -> bool {
        match version {
            None => true,
            Some(version) => (version == 4) == self.net.address().is_ipv4(),
        }
    }
}

/// What an address has to be, in words that commas part: `private, loopback`.
struct Options(Vec<String>);

impl Options {
    fn read(options: Option<Value>, function: &str) -> Result<Options> {
        let options = optional_text(options, function)?;
        let words = options.iter().flat_map(|options| options.split(','));
        Ok(Options(words.map(|word| word.trim().to_owned()).collect()))
    }

    /// Words that mean nothing ask for nothing.
    fn allow(&self, address: &Address) -> bool {
        let ip = address.net.address();
        self.0.iter().all(|word| match word.as_str() {
            "global" | "public" => !is_private(ip),
            "private" => is_private(ip),
            "multicast" => ip.is_multicast(),
            "loopback" | "lo" => ip.is_loopback(),
            "unspecified" => ip.is_unspecified(),
            "link-local" | "linklocal" | "ll" | "link_local" => match ip {
                IpAddr::V4(ip) => ip.is_link_local(),
                IpAddr::V6(ip) => ip.is_unicast_link_local(),
            },
            "site-local" | "sl" | "site_local" => is_in(ip, &["fec0::/10"]),
            "reserved" => is_in(ip, RESERVED),
            _ => true,
        })
    }
}

/// Networks that nobody is to use yet, as Python's `ipaddress` lists them.
const RESERVED: &[&str] = &[
    "240.0.0.0/4",
    "::/8",
    "100::/8",
    "200::/7",
    "400::/6",
    "800::/5",
    "1000::/4",
    "4000::/3",
    "6000::/3",
    "8000::/3",
    "A000::/3",
    "C000::/3",
    "E000::/4",
    "F000::/5",
    "F800::/6",
    "FE00::/9",
];

fn is_in(ip: IpAddr, networks: &[&str]) -> bool {
    let mut networks = networks.iter().filter_map(|text| Net::parse(text));
    networks.any(|net| net.contains(ip))
}

/// What a filter found in one value, or in a list.
enum Found {
    One(Option<Address>),
    Many(Vec<Address>),
}

impl Found {
    fn is_empty(&self) -> bool {
        match self {
            Found::One(found) => found.is_none(),
            Found::Many(found) => found.is_empty(),
        }
    }

    fn map(&self, change: impl Fn(&Address) -> Value) -> Value {
        match self {
            Found::One(found) => found.as_ref().map_or(Value::None, change),
            Found::Many(found) => Value::list(found.iter().map(change).collect()),
        }
    }

    fn try_map(&self, change: impl Fn(&Address) -> Result<Value>) -> Result<Value> {
        match self {
            Found::One(found) => found.as_ref().map_or(Ok(Value::None), change),
            Found::Many(found) => {
                let changed: Result<_> = found.iter().map(change).collect();
                Ok(Value::list(changed?))
            }
        }
    }
}

/// The addresses of a value that are of a version, and as the options say. Of both versions, those of 4 come first.
fn wanted(value: &Value, options: &Options, version: Option<i128>) -> Result<Found> {
    let is_wanted = |address: &Address, version| address.is_of(version) && options.allow(address);
    match value {
        Value::Str(_) => {
            let found = Address::read(value)?.filter(|address| is_wanted(address, version));
            Ok(Found::One(found))
        }
        Value::List(_) | Value::Tuple(_) | Value::Sequence(_) => {
            let mut read = Vec::new();
            for item in value.iterate()? {
                read.extend(Address::read(&item)?);
            }
            let versions = match version {
                None => vec![Some(4), Some(6)],
                version => vec![version],
            };
            let of = |version| {
                let read = read.iter().copied();
                read.filter(move |address| is_wanted(address, version))
            };
            Ok(Found::Many(versions.into_iter().flat_map(of).collect()))
        }
        _ => Ok(Found::One(None)),
    }
}

/// The addresses of a network that hosts may have.
fn hosts(net: Net) -> Result<Value> {
    let (first, last) = (number(net.network().address()), number(net.last()));
    let is_v4 = net.address().is_ipv4();
    let (first, last) = match last - first {
        // Both of a link between two, and a host by itself.
        0 | 1 => (first, last),
        _ if is_v4 => (first + 1, last - 1),
        _ => (first + 1, last),
    };
    check_items(usize::try_from(last - first).unwrap_or(usize::MAX))?;
    let address = |number: u128| match u32::try_from(number) {
        Ok(number) if is_v4 => Ipv4Addr::from(number).to_string(),
        _ => net::text(Ipv6Addr::from(number).into()),
    };
    Ok(Value::list(
        (first..=last)
            .map(|number| Value::str(address(number)))
            .collect(),
    ))
}

/// How many addresses a network has.
fn size(net: Net) -> Value {
    let count = number(net.last()) - number(net.network().address());
    let count = i128::try_from(count)
        .ok()
        .and_then(|count| count.checked_add(1));
    // All of IPv6 is more than numbers hold here.
    count.map_or(Value::Float(f64::powi(2.0, 128)), Value::Int)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// An address of IPv6 in brackets; everything else as it is.
fn wrap(value: &Value) -> Result<Value> {
    match Address::read(value)?.filter(|address| address.is_of(Some(6))) {
        None => Ok(value.clone()),
        Some(address) if address.has_prefix => Err(no_address(value)?),
        Some(address) => Ok(Value::str(format!(
            "[{}]",
            net::text(address.net.address())
        ))),
    }
}

fn no_address(value: &Value) -> Result<Fault> {
    Ok(Fault::value(format!(
        "{} does not appear to be an IPv4 or IPv6 address",
        repr(value)?
    )))
}

fn filter_by_networks(values: &Value, networks: &Value) -> Result<Value> {
    if matches!(networks, Value::None) {
        return Ok(values.clone());
    }
    let mut nets = Vec::new();
    for network in required(Some(networks.clone()), "filter_by_networks", "networks")?.iterate()? {
        let Some(address) = Address::read(&network)? else {
            return Err(Fault::value(format!(
                "{} does not appear to be an IPv4 or IPv6 network",
                repr(&network)?
            )));
        };
        if address.net.network() != address.net {
            return Err(Fault::value(format!(
                "{} has host bits set",
                string(&network)?
            )));
        }
        nets.push(address.net);
    }
    let filter = |values: &Value| -> Result<Value> {
        let mut kept = Vec::new();
        for value in values.iterate()? {
            let Some(address) = Address::read(&value)?.filter(|address| !address.has_prefix) else {
                return Err(no_address(&value)?);
            };
            // As often as it is in one of them.
            let within = nets
                .iter()
                .filter(|net| net.contains(address.net.address()));
            kept.extend(within.map(|_| value.clone()));
        }
        Ok(Value::list(kept))
    };
    match values {
        Value::Dict(dict) => {
            let mut kept = Map::new();
            for (interface, values) in dict.0.borrow().iter() {
                kept.insert(interface.clone(), filter(values)?);
            }
            Ok(Value::dict(kept))
        }
        Value::Str(_) | Value::List(_) | Value::Tuple(_) | Value::Sequence(_) => filter(values),
        other => Err(Fault::value(format!(
            "Do not know how to filter a <class '{}'>",
            other.type_name()
        ))),
    }
}
