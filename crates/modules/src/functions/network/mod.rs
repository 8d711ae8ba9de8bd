//! `network`: addresses, routes and connections of this host.

mod name;
mod reach;
mod sockets;

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use data::net::{self, Net};
use serde_json::{Value, json};

use self::reach::{active_tcp, connect, get_route, ping};
use super::{Answer, Args, Env, Failure, Function};
use crate::interfaces::{self, Interface, Interfaces, Route};

use crate::pattern;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "network.ip_neighs",
        "",
        "Neighbours of IPv4 that the kernel knows: addresses by hardware address.",
        "network.ip_neighs",
        |_, env| sockets::neighbours(env, '.'),
    ),
    Function::new(
        "network.ip_neighs6",
        "",
        "Neighbours of IPv6 that the kernel knows: addresses by hardware address.",
        "network.ip_neighs6",
        |_, env| sockets::neighbours(env, ':'),
    ),
    Function::new(
        "network.mod_hostname",
        "hostname",
        "Set the name of the host, now and in the files that hold it.",
        "network.mod_hostname master.example.com",
        name::mod_hostname,
    ),
    Function::new(
        "network.netstat",
        "",
        "The sockets of TCP and UDP with their programs.",
        "network.netstat",
        |_, env| sockets::netstat(env),
    ),
    Function::new(
        "network.active_tcp",
        "",
        "The established TCP connections.",
        "network.active_tcp",
        |_, _| Ok(active_tcp()),
    ),
    Function::new(
        "network.arp",
        "",
        "Neighbours on the links: IP addresses by hardware address.",
        "network.arp",
        |_, _| {
            let text = fs::read_to_string("/proc/net/arp").unwrap_or_default();
            let entry = |line: &str| {
                let mut words = line.split_whitespace();
                let address = words.next()?;
                Some((words.nth(2)?.to_owned(), json!(address)))
            };
            Ok(Value::Object(
                text.lines().skip(1).filter_map(entry).collect(),
            ))
        },
    ),
    Function::new(
        "network.calc_net",
        "ip_addr, netmask=None",
        "The network of an address: from address and netmask, or from CIDR notation.",
        "network.calc_net 172.17.0.5 255.255.255.240",
        |args, _| {
            let address = args.text("ip_addr")?;
            let text = match args.optional_text("netmask")? {
                Some(mask) => format!("{address}/{mask}"),
                None => address,
            };
            Ok(json!(net_of(&text)?.network().to_string()))
        },
    )
    .quick(),
    Function::new(
        "network.connect",
        "host, port=None, timeout=5, family=None",
        "Try a TCP connection. Answers result and comment. family: ipv4 or ipv6 only.",
        "network.connect archlinux.org 80 timeout=3",
        connect,
    ),
    Function::new(
        "network.convert_cidr",
        "cidr",
        "Network, netmask and broadcast address of a network.",
        "network.convert_cidr 172.31.0.0/16",
        |args, _| {
            let net = net_of(&args.text("cidr")?)?.network();
            Ok(json!({
                "network": net.address().to_string(),
                "netmask": net.netmask().to_string(),
                "broadcast": net.last().to_string(),
            }))
        },
    )
    .quick(),
    Function::new(
        "network.default_route",
        "family=None",
        "The default routes, of inet or inet6 only when family says so.",
        "network.default_route inet",
        |args, _| {
            Ok(routes(args)?
                .iter()
                .filter(|route| route.is_default())
                .map(report)
                .collect())
        },
    ),
    Function::new(
        "network.get_fqdn",
        "",
        "The full name of this host, as the grain fqdn has it.",
        "network.get_fqdn",
        |_, env| {
            Ok(env
                .ctx
                .grains()
                .get("fqdn")
                .cloned()
                .unwrap_or_else(|| json!("")))
        },
    ),
    Function::new(
        "network.get_hostname",
        "",
        "The name of this host.",
        "network.get_hostname",
        |_, _| match nix::unistd::gethostname() {
            Ok(name) => Ok(json!(name.to_string_lossy())),
            Err(errno) => Err(Failure::command(errno.desc())),
        },
    ),
    Function::new(
        "network.get_route",
        "ip",
        "Gateway, interface and source address on the way to an address; needs the program ip.",
        "network.get_route 10.10.10.10",
        get_route,
    ),
    Function::new(
        "network.hw_addr",
        "iface",
        "The hardware address of an interface.",
        "network.hw_addr eth0",
        hw_addr,
    ),
    Function::new(
        "network.hwaddr",
        "iface",
        "The same as network.hw_addr.",
        "network.hwaddr eth0",
        hw_addr,
    ),
    Function::new(
        "network.ifacestartswith",
        "cidr",
        "The interfaces with an IPv4 address that begins with a text.",
        "network.ifacestartswith 10.0",
        |args, _| {
            let start = args.text("cidr")?;
            let all = interfaces::read();
            let inets = all.values().flat_map(|interface| &interface.inet);
            let fitting = inets.filter(|inet| inet.address.to_string().starts_with(&start));
            Ok(fitting.map(|inet| json!(inet.label)).collect())
        },
    ),
    Function::new(
        "network.in_subnet",
        "cidr",
        "Whether this host has an address in a network.",
        "network.in_subnet 10.0.0.0/16",
        |args, _| {
            let net = net_of(&args.text("cidr")?)?;
            Ok(json!(
                interfaces::read()
                    .values()
                    .flat_map(Interface::addresses)
                    .any(|address| net.contains(address))
            ))
        },
    ),
    Function::new(
        "network.interface",
        "iface",
        "The IPv4 addresses of an interface with their netmasks.",
        "network.interface eth0",
        |args, _| {
            let name = args.text("iface")?;
            Ok(with_interface(&name, |interface| {
                interface
                    .report()
                    .get("inet")
                    .cloned()
                    .unwrap_or_else(|| json!(""))
            }))
        },
    ),
    Function::new(
        "network.interface_ip",
        "iface",
        "The first IPv4 address of an interface.",
        "network.interface_ip eth0",
        |args, _| {
            let name = args.text("iface")?;
            Ok(with_interface(&name, |interface| {
                match interface.inet.first() {
                    Some(inet) => json!(inet.address.to_string()),
                    None => json!(""),
                }
            }))
        },
    ),
    Function::new(
        "network.interfaces",
        "",
        "All interfaces with their state and addresses.",
        "network.interfaces",
        |_, _| {
            Ok(Value::Object(
                interfaces::read()
                    .iter()
                    .map(|(name, found)| (name.clone(), found.report()))
                    .collect(),
            ))
        },
    ),
    Function::new(
        "network.ip_addrs",
        "interface=None, include_loopback=False, cidr=None, type=None",
        "The IPv4 addresses of this host, loopback left out unless include_loopback. interface: of one (or a shell \
         pattern). cidr: inside a network. type: public or private.",
        "network.ip_addrs cidr=10.0.0.0/8",
        |args, _| addresses(args, IpAddr::is_ipv4),
    ),
    Function::new(
        "network.ip_addrs6",
        "interface=None, include_loopback=False, cidr=None",
        "The IPv6 addresses of this host; options as for network.ip_addrs.",
        "network.ip_addrs6",
        |args, _| addresses(args, IpAddr::is_ipv6),
    ),
    Function::new(
        "network.ip_in_subnet",
        "ip_addr, cidr",
        "Whether an address is in a network.",
        "network.ip_in_subnet 172.17.0.4 172.16.0.0/12",
        |args, _| Ok(json!(net_of(&args.text("cidr")?)?.contains(ip(args)?))),
    )
    .quick(),
    Function::new(
        "network.ip_networks",
        "interface=None, include_loopback=False, verbose=False",
        "The IPv4 networks of this host, or of one interface (or a shell pattern). verbose: with netmask, prefix and number of addresses.",
        "network.ip_networks interface=eth0",
        |args, _| {
            Ok(networks(args, |interface| {
                let nets = interface.inet.iter();
                nets.filter_map(|inet| Net::new(inet.address.into(), inet.prefixlen()))
                    .collect()
            }))
        },
    ),
    Function::new(
        "network.ip_networks6",
        "interface=None, include_loopback=False, verbose=False",
        "The IPv6 networks of this host; options as for network.ip_networks.",
        "network.ip_networks6 interface=eth0",
        |args, _| {
            Ok(networks(args, |interface| {
                let nets = interface.inet6.iter();
                nets.filter_map(|inet| Net::new(inet.address.into(), inet.prefixlen))
                    .collect()
            }))
        },
    ),
    Function::new(
        "network.ipaddrs",
        "interface=None, include_loopback=False, cidr=None, type=None",
        "The same as network.ip_addrs.",
        "network.ipaddrs",
        |args, _| addresses(args, IpAddr::is_ipv4),
    ),
    Function::new(
        "network.ipaddrs6",
        "interface=None, include_loopback=False, cidr=None",
        "The same as network.ip_addrs6.",
        "network.ipaddrs6",
        |args, _| addresses(args, IpAddr::is_ipv6),
    ),
    Function::new(
        "network.iphexval",
        "ip",
        "An IPv4 address in hexadecimal digits.",
        "network.iphexval 10.0.0.1",
        |args, _| {
            let text = args.text("ip")?;
            let address: Ipv4Addr = text.parse().map_err(|_| invalid_address(&text))?;
            Ok(json!(format!("{:08X}", u32::from(address))))
        },
    )
    .quick(),
    Function::new(
        "network.is_loopback",
        "ip_addr",
        "Whether an address is of the loopback.",
        "network.is_loopback 127.0.0.1",
        |args, _| Ok(json!(ip(args)?.is_loopback())),
    )
    .quick(),
    Function::new(
        "network.is_private",
        "ip_addr",
        "Whether an address is private: not to be routed in the internet.",
        "network.is_private 10.0.0.3",
        |args, _| Ok(json!(net::is_private(ip(args)?))),
    )
    .quick(),
    Function::new(
        "network.ping",
        "host, timeout=False, return_boolean=False",
        "Send four ICMP pings with the program ping and answer its output, with return_boolean only whether the host \
         answered. timeout: seconds to wait for each answer.",
        "network.ping archlinux.org return_boolean=True timeout=3",
        ping,
    ),
    Function::new(
        "network.reverse_ip",
        "ip_addr",
        "The name under which the domain name system keeps the names of an address.",
        "network.reverse_ip 172.17.0.4",
        |args, _| Ok(json!(net::reverse_name(ip(args)?))),
    )
    .quick(),
    Function::new(
        "network.routes",
        "family=None",
        "The routes of the main table, of inet or inet6 only when family says so.",
        "network.routes",
        |args, _| Ok(routes(args)?.iter().map(report).collect()),
    ),
    Function::new(
        "network.subnets",
        "interfaces=None",
        "The IPv4 networks of this host, or of some interfaces.",
        "network.subnets interfaces=eth0",
        |args, _| {
            let v4 = |interface: &Interface| -> Vec<Net> {
                interface
                    .inet
                    .iter()
                    .filter_map(|inet| Net::new(inet.address.into(), inet.prefixlen()))
                    .collect()
            };
            Ok(subnets(args, v4))
        },
    ),
    Function::new(
        "network.subnets6",
        "",
        "The IPv6 networks of this host.",
        "network.subnets6",
        |args, _| {
            let v6 = |interface: &Interface| -> Vec<Net> {
                interface
                    .inet6
                    .iter()
                    .filter_map(|inet| Net::new(inet.address.into(), inet.prefixlen))
                    .collect()
            };
            Ok(subnets(args, v6))
        },
    ),
];

fn ip(args: &Args) -> Result<IpAddr, Failure> {
    let text = args.text("ip_addr")?;
    text.parse().map_err(|_| invalid_address(&text))
}

fn net_of(text: &str) -> Result<Net, Failure> {
    Net::parse(text).ok_or_else(|| invalid_address(text))
}

fn invalid_address(text: &str) -> Failure {
    Failure::exception(
        "ValueError",
        format!("'{text}' does not appear to be an IPv4 or IPv6 address or network"),
    )
}

fn addresses(args: &Args, is_wanted: fn(&IpAddr) -> bool) -> Answer {
    let net = args
        .optional_text("cidr")?
        .map(|cidr| net_of(&cidr))
        .transpose()?;
    let kind = args.optional_text("type")?;
    let with_loopback = args.flag("include_loopback");
    let all = selected(&args.texts("interface"));
    let found: BTreeSet<IpAddr> = all
        .values()
        .flat_map(Interface::addresses)
        .filter(is_wanted)
        .collect();
    let fits = |address: &IpAddr| {
        (with_loopback || !address.is_loopback())
            && match (&net, kind.as_deref()) {
                (Some(net), _) => net.contains(*address),
                (None, Some("public")) => !net::is_private(*address),
                (None, Some("private")) => net::is_private(*address),
                (None, _) => true,
            }
    };
    Ok(found
        .iter()
        .filter(|address| fits(address))
        .map(|address| json!(address.to_string()))
        .collect())
}

/// The interfaces whose names match one of the patterns; all without patterns.
fn selected(wanted: &[String]) -> Interfaces {
    let globs: Vec<_> = wanted
        .iter()
        .filter_map(|name| pattern::glob(name, false))
        .collect();
    let mut all = interfaces::read();
    all.retain(|name, _| wanted.is_empty() || globs.iter().any(|glob| glob.is_match(name)));
    all
}

fn subnets(args: &Args, nets: fn(&Interface) -> Vec<Net>) -> Value {
    let all = selected(&args.texts("interfaces"));
    let found: BTreeSet<Net> = all
        .values()
        .flat_map(nets)
        .map(|net| net.network())
        .collect();
    found
        .iter()
        .filter(|net| !net.address().is_loopback())
        .map(|net| json!(net.to_string()))
        .collect()
}

fn networks(args: &Args, nets: fn(&Interface) -> Vec<Net>) -> Value {
    let all = selected(&args.texts("interface"));
    let with_loopback = args.flag("include_loopback");
    let found: BTreeSet<Net> = all
        .values()
        .flat_map(nets)
        .map(|net| net.network())
        .collect();
    let found = found
        .iter()
        .filter(|net| with_loopback || !net.address().is_loopback());
    if !args.flag("verbose") {
        return found.map(|net| json!(net.to_string())).collect();
    }
    let report = |net: &Net| {
        json!({
            "address": net.address().to_string(),
            "netmask": net.netmask().to_string(),
            "num_addresses": net.count(),
            "prefixlen": net.prefix(),
        })
    };
    Value::Object(found.map(|net| (net.to_string(), report(net))).collect())
}

fn with_interface(name: &str, show: impl Fn(&Interface) -> Value) -> Value {
    let all = interfaces::read();
    match all.get(name) {
        Some(interface) => show(interface),
        None => {
            let names: Vec<&str> = all.keys().map(String::as_str).collect();
            json!(format!(
                "Interface \"{name}\" not in available interfaces: \"{}\"",
                names.join("\", \"")
            ))
        }
    }
}

fn hw_addr(args: &Args, _: &Env) -> Answer {
    let name = args.text("iface")?;
    Ok(with_interface(&name, |interface| {
        json!(interface.hwaddr.as_deref().unwrap_or_default())
    }))
}

fn routes(args: &Args) -> Result<Vec<Route>, Failure> {
    let family = args.optional_text("family")?;
    if let Some(other) = family
        .as_deref()
        .filter(|family| !["inet", "inet6"].contains(family))
    {
        return Err(Failure::command(format!("Invalid address family {other}")));
    }
    let mut routes = interfaces::routes(Path::new("/"));
    routes.retain(|route| {
        family
            .as_deref()
            .is_none_or(|family| family == route.family)
    });
    Ok(routes)
}

fn report(route: &Route) -> Value {
    let (destination, netmask) = match route.destination {
        IpAddr::V4(address) => {
            let mask = Ipv4Addr::from(
                u32::MAX
                    .checked_shl(32 - route.prefixlen)
                    .unwrap_or_default(),
            );
            (address.to_string(), mask.to_string())
        }
        IpAddr::V6(address) => (format!("{address}/{}", route.prefixlen), String::new()),
    };
    json!({
        "addr_family": route.family,
        "destination": destination,
        "gateway": route.gateway.to_string(),
        "netmask": netmask,
        "flags": route.flags,
        "interface": route.interface,
    })
}

#[cfg(test)]
mod tests;
