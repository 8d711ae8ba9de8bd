//! `network` on the loopback of this host.

use std::net::TcpStream;

use serde_json::{Value, json};

use crate::call::Call;
use crate::testing::Host;

#[test]
fn addresses_are_judged() {
    let host = Host::new();
    let check = |call: Call, expected: Value| {
        assert_eq!(host.call(call.clone()).value, expected, "{call:?}")
    };
    check(
        Call::new("network.calc_net")
            .arg("172.17.0.5")
            .arg("255.255.255.240"),
        json!("172.17.0.0/28"),
    );
    check(
        Call::new("network.calc_net").arg("2001:db8::5/64"),
        json!("2001:db8::/64"),
    );
    check(
        Call::new("network.ip_in_subnet")
            .arg("172.17.0.4")
            .arg("172.16.0.0/12"),
        json!(true),
    );
    check(
        Call::new("network.ip_in_subnet")
            .arg("172.32.0.4")
            .arg("172.16.0.0/12"),
        json!(false),
    );
    check(
        Call::new("network.is_private").arg("192.168.1.1"),
        json!(true),
    );
    check(Call::new("network.is_private").arg("8.8.8.8"), json!(false));
    check(
        Call::new("network.is_loopback").arg("127.9.9.9"),
        json!(true),
    );
    check(
        Call::new("network.in_subnet").arg("127.0.0.0/8"),
        json!(true),
    );
    assert!(!host.call(Call::new("network.is_private").arg("x")).success);
    check(
        Call::new("network.convert_cidr").arg("172.31.1.2/16"),
        json!({"network": "172.31.0.0", "netmask": "255.255.0.0", "broadcast": "172.31.255.255"}),
    );
    check(
        Call::new("network.convert_cidr").arg("2001:db8::5/127"),
        json!({"network": "2001:db8::4", "netmask": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "broadcast": "2001:db8::5"}),
    );
    check(
        Call::new("network.iphexval").arg("10.0.0.1"),
        json!("0A000001"),
    );
    check(
        Call::new("network.reverse_ip").arg("172.17.0.4"),
        json!("4.0.17.172.in-addr.arpa"),
    );
    check(
        Call::new("network.reverse_ip").arg("::1"),
        json!(format!("1.{}ip6.arpa", "0.".repeat(31))),
    );
}

#[test]
fn the_loopback_is_shown() {
    let host = Host::new();
    let check = |call: Call, expected: Value| {
        assert_eq!(host.call(call.clone()).value, expected, "{call:?}")
    };
    check(
        Call::new("network.interface_ip").arg("lo"),
        json!("127.0.0.1"),
    );
    check(
        Call::new("network.ip_addrs")
            .arg("lo")
            .kwarg("include_loopback", true),
        json!(["127.0.0.1"]),
    );
    check(Call::new("network.ip_addrs").arg("lo"), json!([]));
    check(Call::new("network.subnets").arg("lo"), json!([]));
    check(Call::new("network.ip_networks").arg("lo"), json!([]));
    let all = Call::new("network.ip_networks")
        .arg("lo")
        .kwarg("include_loopback", true);
    check(all.clone(), json!(["127.0.0.0/8"]));
    check(
        all.kwarg("verbose", true),
        json!({"127.0.0.0/8": {"address": "127.0.0.0", "netmask": "255.0.0.0", "num_addresses": 1 << 24, "prefixlen": 8}}),
    );
    check(
        Call::new("network.ifacestartswith").arg("127.0.0."),
        json!(["lo"]),
    );
    check(
        Call::new("network.hwaddr").arg("lo"),
        json!("00:00:00:00:00:00"),
    );
    let text = host.call(Call::new("network.interface").arg("nope")).value;
    assert!(
        text.as_str()
            .unwrap()
            .starts_with("Interface \"nope\" not in available interfaces: \"")
    );
    assert_eq!(
        host.call(Call::new("network.interfaces")).value["lo"]["up"],
        json!(true)
    );
    assert!(!host.call(Call::new("network.routes").arg("ipx")).success);
    assert!(!host.call(Call::new("network.ping").arg("-f")).success);
}

#[test]
fn connections_are_seen() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = Host::new();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let all = host.call(Call::new("network.active_tcp")).value;
    let own = stream.local_addr().unwrap().port();
    assert!(
        all.as_object()
            .unwrap()
            .values()
            .any(|entry| entry["local_port"] == json!(own)),
        "{all}"
    );
    let call = Call::new("network.connect").arg("127.0.0.1").arg(port);
    let comment = format!("Successfully connected to 127.0.0.1 (127.0.0.1) on tcp port {port}");
    assert_eq!(
        host.call(call.clone()).value,
        json!({"result": true, "comment": comment})
    );
    drop(listener);
    assert!(!host.call(call).success);
}
