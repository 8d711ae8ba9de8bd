//! Network interfaces of this host with their addresses.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use serde_json::{Map, Value, json};

/// One interface.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Interface {
    pub(crate) up: bool,
    /// Hardware address, `aa:bb:cc:dd:ee:ff`.
    pub(crate) hwaddr: Option<String>,
    pub(crate) inet: Vec<Inet>,
    pub(crate) inet6: Vec<Inet6>,
}

/// An IPv4 address of an interface.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Inet {
    pub(crate) address: Ipv4Addr,
    pub(crate) netmask: Ipv4Addr,
    pub(crate) broadcast: Option<Ipv4Addr>,
    pub(crate) label: String,
}

/// An IPv6 address of an interface.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Inet6 {
    pub(crate) address: Ipv6Addr,
    pub(crate) prefixlen: u32,
}

/// All interfaces by name. An interface alias (`eth0:1`) is a label of its parent.
pub(crate) type Interfaces = BTreeMap<String, Interface>;

/// Reads the interfaces from the system; none when it refuses.
pub(crate) fn read() -> Interfaces {
    let mut interfaces = Interfaces::new();
    for found in getifaddrs().into_iter().flatten() {
        let label = found.interface_name;
        let name = label.split(':').next().unwrap_or(&label).to_owned();
        let interface = interfaces.entry(name).or_default();
        interface.up = found.flags.contains(InterfaceFlags::IFF_UP);
        let Some(address) = found.address else {
            continue;
        };
        if let Some(v4) = address.as_sockaddr_in() {
            let ip_of = |storage: Option<nix::sys::socket::SockaddrStorage>| {
                storage
                    .as_ref()
                    .and_then(|storage| storage.as_sockaddr_in())
                    .map(|address| address.ip())
            };
            let broadcast = found.flags.contains(InterfaceFlags::IFF_BROADCAST);
            interface.inet.push(Inet {
                address: v4.ip(),
                netmask: ip_of(found.netmask).unwrap_or(Ipv4Addr::BROADCAST),
                broadcast: ip_of(found.broadcast).filter(|_| broadcast),
                label,
            });
        } else if let Some(v6) = address.as_sockaddr_in6() {
            let mask = found
                .netmask
                .as_ref()
                .and_then(|mask| mask.as_sockaddr_in6())
                .map(|mask| mask.ip());
            interface.inet6.push(Inet6 {
                address: v6.ip(),
                prefixlen: mask.map_or(128, |mask| u128::from(mask).leading_ones()),
            });
        } else if let Some(link) = address.as_link_addr() {
            interface.hwaddr = link
                .addr()
                .map(|bytes| bytes.map(|byte| format!("{byte:02x}")).join(":"));
        }
    }
    interfaces
}

impl Inet {
    /// Length of the network's prefix in bits.
    pub(crate) fn prefixlen(&self) -> u32 {
        u32::from(self.netmask).leading_ones()
    }
}

impl Inet6 {
    /// The kernel's word for where the address is valid.
    pub(crate) fn scope(&self) -> &'static str {
        if self.address.is_loopback() {
            "host"
        } else if self.address.is_unicast_link_local() {
            "link"
        } else {
            "global"
        }
    }
}

impl Interface {
    /// As `network.interfaces` shows it.
    pub(crate) fn report(&self) -> Value {
        let mut report = Map::new();
        report.insert("up".to_owned(), json!(self.up));
        if let Some(hwaddr) = &self.hwaddr {
            report.insert("hwaddr".to_owned(), json!(hwaddr));
        }
        let inet = |inet: &Inet| {
            let broadcast = inet.broadcast.map(|address| address.to_string());
            let (address, netmask) = (inet.address.to_string(), inet.netmask.to_string());
            json!({"address": address, "netmask": netmask, "broadcast": broadcast, "label": inet.label})
        };
        let inet6 = |inet: &Inet6| {
            let (address, prefixlen) = (inet.address.to_string(), inet.prefixlen.to_string());
            json!({"address": address, "prefixlen": prefixlen, "scope": inet.scope()})
        };
        if !self.inet.is_empty() {
            report.insert("inet".to_owned(), self.inet.iter().map(inet).collect());
        }
        if !self.inet6.is_empty() {
            report.insert("inet6".to_owned(), self.inet6.iter().map(inet6).collect());
        }
        Value::Object(report)
    }

    /// All addresses, IPv4 first.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let v4 = self.inet.iter().map(|inet| IpAddr::V4(inet.address));
        v4.chain(self.inet6.iter().map(|inet| IpAddr::V6(inet.address)))
    }
}

/// A route of the kernel's main table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    pub(crate) family: &'static str,
    pub(crate) destination: IpAddr,
    pub(crate) prefixlen: u32,
    /// Unspecified (`0.0.0.0`, `::`) when the destination is on the link.
    pub(crate) gateway: IpAddr,
    pub(crate) interface: String,
    /// Flags as `netstat` writes them, for example `UG`.
    pub(crate) flags: String,
    pub(crate) metric: u32,
}

impl Route {
    pub(crate) fn is_default(&self) -> bool {
        self.prefixlen == 0
    }
}

/// Reads the routes from `proc` below `root`: IPv4, then IPv6 without the loopback's.
pub(crate) fn routes(root: &Path) -> Vec<Route> {
    let read =
        |name: &str| fs::read_to_string(root.join("proc/net").join(name)).unwrap_or_default();
    let v4 = read("route");
    let v6 = read("ipv6_route");
    let v4 = v4.lines().skip(1).filter_map(route_v4);
    v4.chain(v6.lines().filter_map(route_v6)).collect()
}

/// Routes that are up; the others are ignored.
const FLAG_UP: u32 = 0x1;

fn flag_letters(flags: u32) -> String {
    let known = [
        (FLAG_UP, 'U'),
        (0x2, 'G'),
        (0x4, 'H'),
        (0x10, 'D'),
        (0x20, 'M'),
    ];
    known
        .iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, letter)| letter)
        .collect()
}

fn route_v4(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    // The kernel prints the words of memory as numbers, so the address is in the machine's byte order.
    let address = |text: &str| {
        u32::from_str_radix(text, 16)
            .ok()
            .map(|number| Ipv4Addr::from(number.to_ne_bytes()))
    };
    let flags = u32::from_str_radix(fields.get(3)?, 16).ok()?;
    let route = Route {
        family: "inet",
        interface: (*fields.first()?).to_owned(),
        destination: address(fields.get(1)?)?.into(),
        gateway: address(fields.get(2)?)?.into(),
        flags: flag_letters(flags),
        metric: fields.get(6)?.parse().ok()?,
        prefixlen: u32::from(address(fields.get(7)?)?).leading_ones(),
    };
    (flags & FLAG_UP != 0).then_some(route)
}

fn route_v6(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let address = |text: &str| u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from);
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    let flags = number(fields.get(8)?)?;
    let interface = (*fields.get(9)?).to_owned();
    let is_ours = flags & FLAG_UP != 0 && interface != "lo";
    let route = Route {
        family: "inet6",
        destination: address(fields.first()?)?.into(),
        prefixlen: number(fields.get(1)?)?,
        gateway: address(fields.get(4)?)?.into(),
        flags: flag_letters(flags),
        metric: number(fields.get(5)?)?,
        interface,
    };
    is_ours.then_some(route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there() {
        let interfaces = read();
        let lo = &interfaces["lo"];
        assert!(
            lo.addresses()
                .any(|address| address == IpAddr::V4(Ipv4Addr::LOCALHOST))
        );
        assert_eq!(lo.inet[0].prefixlen(), 8);
        assert_eq!(lo.report()["inet"][0]["netmask"], json!("255.0.0.0"));
    }

    #[test]
    fn routes_are_read() {
        let root = tempfile::tempdir().unwrap();
        let net = root.path().join("proc/net");
        fs::create_dir_all(&net).unwrap();
        let v4 = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                  eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                  eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let zero = "0".repeat(32);
        let gateway = "fe800000000000000000000000000001";
        let v6 =
            format!("{zero} 00 {zero} 00 {gateway} 00000400 00000001 00000000 00000003 eth0\n");
        fs::write(net.join("route"), v4).unwrap();
        fs::write(net.join("ipv6_route"), v6).unwrap();
        let routes = routes(root.path());
        let shown: Vec<String> = routes
            .iter()
            .map(|route| {
                format!(
                    "{}/{} {} {} {}",
                    route.destination, route.prefixlen, route.gateway, route.flags, route.metric
                )
            })
            .collect();
        if cfg!(target_endian = "little") {
            assert_eq!(
                shown[..2],
                ["0.0.0.0/0 192.0.2.1 UG 100", "192.0.2.0/24 0.0.0.0 U 0"]
            );
        }
        assert_eq!(shown[2], "::/0 fe80::1 UG 1024");
        assert!(routes[0].is_default() && !routes[1].is_default() && routes[2].is_default());
    }
}
