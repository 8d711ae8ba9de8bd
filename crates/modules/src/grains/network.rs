//! Names, addresses, gateways and name servers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::Root;
use crate::interfaces::{Interface, Interfaces, routes};

pub(super) fn of(root: &Root, interfaces: &Interfaces) -> Map<String, Value> {
    let mut grains = names(root);
    let mut set = |name: &str, value: Value| grains.insert(name.to_owned(), value);
    let by_interface = |of: &dyn Fn(&Interface) -> Value| -> Value {
        Value::Object(
            interfaces
                .iter()
                .map(|(name, interface)| (name.clone(), of(interface)))
                .collect(),
        )
    };
    let texts = |addresses: &mut dyn Iterator<Item = IpAddr>| -> Value {
        addresses
            .map(|address| json!(address.to_string()))
            .collect()
    };
    set(
        "ip_interfaces",
        by_interface(&|interface| texts(&mut interface.addresses())),
    );
    set(
        "ip4_interfaces",
        by_interface(&|interface| texts(&mut interface.addresses().filter(IpAddr::is_ipv4))),
    );
    set(
        "ip6_interfaces",
        by_interface(&|interface| texts(&mut interface.addresses().filter(IpAddr::is_ipv6))),
    );
    let hwaddr = interfaces
        .iter()
        .filter_map(|(name, interface)| Some((name.clone(), json!(interface.hwaddr.as_ref()?))));
    set("hwaddr_interfaces", Value::Object(hwaddr.collect()));
    let all: BTreeSet<IpAddr> = interfaces.values().flat_map(Interface::addresses).collect();
    set(
        "ipv4",
        texts(&mut all.iter().copied().filter(IpAddr::is_ipv4)),
    );
    set(
        "ipv6",
        texts(&mut all.iter().copied().filter(IpAddr::is_ipv6)),
    );
    let gateways = [gateway(root, "inet"), gateway(root, "inet6")];
    set(
        "ip_gw",
        json!(gateways.iter().any(|gateway| *gateway != json!(false))),
    );
    let [v4, v6] = gateways;
    set("ip4_gw", v4);
    set("ip6_gw", v6);
    set("dns", resolver(root));
    grains
}

/// The address of the default gateway, true for a default route without one, false without a default route.
fn gateway(root: &Root, family: &str) -> Value {
    match routes(&root.0)
        .iter()
        .find(|route| route.family == family && route.is_default())
    {
        Some(route) if route.gateway.is_unspecified() => json!(true),
        Some(route) => json!(route.gateway.to_string()),
        None => json!(false),
    }
}

/// The host's names. The full one comes from the hosts file, as asking a name server could block the start.
fn names(root: &Root) -> Map<String, Value> {
    let hostname = root
        .line("/proc/sys/kernel/hostname")
        .or_else(|| root.line("/etc/hostname"));
    let hostname = hostname.unwrap_or_else(|| "localhost".to_owned());
    let hosts = hosts(&root.text("/etc/hosts"));
    let known_as = || {
        let (_, names) = hosts.iter().find(|(_, names)| names.contains(&hostname))?;
        names
            .iter()
            .find(|name| name.contains('.') && !name.starts_with("localhost"))
            .cloned()
    };
    let fqdn = if hostname.contains('.') {
        hostname.clone()
    } else {
        known_as().unwrap_or_else(|| hostname.clone())
    };
    let (host, domain) = fqdn.split_once('.').unwrap_or((&fqdn, ""));
    let addresses = |is_wanted: fn(&IpAddr) -> bool| -> Vec<String> {
        let of_host = hosts
            .iter()
            .filter(|(address, names)| is_wanted(address) && names.contains(&fqdn));
        of_host.map(|(address, _)| address.to_string()).collect()
    };
    let grains = json!({
        "localhost": hostname,
        "fqdn": fqdn,
        "host": host,
        "domain": domain,
        "fqdn_ip4": addresses(IpAddr::is_ipv4),
        "fqdn_ip6": addresses(IpAddr::is_ipv6),
    });
    grains.as_object().cloned().unwrap_or_default()
}

/// The addresses of a hosts file with their names.
fn hosts(text: &str) -> Vec<(IpAddr, Vec<String>)> {
    let parse = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        Some((address, words.map(str::to_owned).collect()))
    };
    text.lines().filter_map(parse).collect()
}

fn resolver(root: &Root) -> Value {
    // systemd's stub would only name itself; its own file names the real servers.
    let text = match root.text("/run/systemd/resolve/resolv.conf") {
        text if text.is_empty() => root.text("/etc/resolv.conf"),
        text => text,
    };
    let (mut servers, mut search, mut options, mut sortlist) =
        (Vec::<IpAddr>::new(), Vec::new(), Vec::new(), Vec::new());
    let mut domain = String::new();
    for line in text.lines() {
        let mut words = line
            .split_whitespace()
            .take_while(|word| !word.starts_with(['#', ';']));
        let directive = words.next().unwrap_or_default();
        let values: Vec<String> = words.map(str::to_owned).collect();
        match (directive, values.first()) {
            ("nameserver", Some(server)) => servers.extend(server.parse::<IpAddr>().ok()),
            ("domain", Some(name)) => domain.clone_from(name),
            ("search", _) => search = values,
            ("options", Some(option)) => options.push(option.clone()),
            ("sortlist", _) => sortlist.extend(values),
            _ => {}
        }
    }
    let mut seen = BTreeSet::new();
    servers.retain(|server| seen.insert(*server));
    let family = |is_wanted: fn(&IpAddr) -> bool| -> Vec<String> {
        servers
            .iter()
            .filter(|server| is_wanted(server))
            .map(IpAddr::to_string)
            .collect()
    };
    json!({
        "nameservers": family(|_| true),
        "ip4_nameservers": family(IpAddr::is_ipv4),
        "ip6_nameservers": family(IpAddr::is_ipv6),
        "sortlist": sortlist,
        "domain": domain,
        "search": search,
        "options": options,
    })
}
