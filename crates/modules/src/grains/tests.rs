//! Grains of folders that look like the hosts they are named for.

use std::fs;
use std::net::Ipv4Addr;

use super::*;
use crate::interfaces::{Inet, Inet6, Interface};

struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new(files: &[(&str, &str)]) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Fixture(dir)
    }

    fn grains(&self) -> Value {
        let facts = Facts {
            id: "m1",
            version: "1.2.3",
            master: &json!(["a", "b"]),
        };
        Value::Object(of_root(
            &Root(self.0.path().to_owned()),
            &interfaces(),
            &facts,
        ))
    }
}

fn interfaces() -> Interfaces {
    let inet = |address: &str, prefix: u32, name: &str| Inet {
        address: address.parse().unwrap(),
        netmask: Ipv4Addr::from(u32::MAX << (32 - prefix)),
        broadcast: None,
        label: name.to_owned(),
    };
    let lo = Interface {
        up: true,
        inet: vec![inet("127.0.0.1", 8, "lo")],
        ..Interface::default()
    };
    let eth0 = Interface {
        up: true,
        hwaddr: Some("52:54:00:12:34:56".to_owned()),
        inet: vec![
            inet("192.0.2.10", 24, "eth0"),
            inet("10.0.0.9", 8, "eth0:1"),
        ],
        inet6: vec![Inet6 {
            address: "2001:db8::10".parse().unwrap(),
            prefixlen: 64,
        }],
    };
    [("lo".to_owned(), lo), ("eth0".to_owned(), eth0)]
        .into_iter()
        .collect()
}

/// Compares the named grains only.
fn assert_grains(grains: &Value, expected: Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(grains.get(name).unwrap_or(&Value::Null), value, "{name}");
    }
}

#[test]
fn distributions_have_the_names_of_salt() {
    let check = |os_release: &str, expected: Value| {
        let fixture = Fixture::new(&[
            ("etc/os-release", os_release),
            ("proc/sys/kernel/arch", "x86_64\n"),
        ]);
        assert_grains(&fixture.grains(), expected);
    };
    check(
        "NAME=\"Debian GNU/Linux\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n\
         VERSION_CODENAME=bookworm\n",
        json!({
            "os": "Debian", "os_family": "Debian", "oscodename": "bookworm", "osfullname": "Debian GNU/Linux",
            "osrelease": "12", "osrelease_info": [12], "osmajorrelease": 12, "osfinger": "Debian-12",
            "osarch": "amd64", "lsb_distrib_id": "Debian GNU/Linux", "lsb_distrib_release": "12",
            "lsb_distrib_codename": "bookworm",
        }),
    );
    check(
        "NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n",
        json!({
            "os": "Ubuntu", "os_family": "Debian", "oscodename": "noble", "osfullname": "Ubuntu", "osrelease": "24.04",
            "osrelease_info": [24, 4], "osmajorrelease": 24, "osfinger": "Ubuntu-24.04", "osarch": "amd64",
        }),
    );
    check(
        "NAME=\"Rocky Linux\"\nVERSION=\"9.3 (Blue Onyx)\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n\
         VERSION_ID=\"9.3\"\nPRETTY_NAME=\"Rocky Linux 9.3 (Blue Onyx)\"\n",
        json!({
            "os": "Rocky", "os_family": "RedHat", "oscodename": "Blue Onyx", "osfullname": "Rocky Linux",
            "osrelease": "9.3", "osrelease_info": [9, 3], "osmajorrelease": 9, "osfinger": "Rocky Linux-9",
            "osarch": "x86_64",
        }),
    );
    check(
        "NAME=\"Red Hat Enterprise Linux\"\nVERSION=\"9.4 (Plow)\"\nID=\"rhel\"\nVERSION_ID=\"9.4\"\n\
         PRETTY_NAME=\"Red Hat Enterprise Linux 9.4 (Plow)\"\n",
        json!({
            "os": "RedHat", "os_family": "RedHat", "oscodename": "Plow", "osfinger": "Red Hat Enterprise Linux-9",
        }),
    );
    check(
        "NAME=\"SLES\"\nVERSION=\"15-SP5\"\nVERSION_ID=\"15.5\"\nPRETTY_NAME=\"SUSE Linux Enterprise Server 15 SP5\"\n\
         ID=\"sles\"\nCPE_NAME=\"cpe:/o:suse:sles:15:sp5\"\n",
        json!({
            "os": "SUSE", "os_family": "Suse", "osfullname": "SLES", "osrelease": "15.5", "osmajorrelease": 15,
            "osfinger": "SLES-15", "oscodename": "SUSE Linux Enterprise Server 15 SP5",
        }),
    );
    check(
        "NAME=\"openSUSE Leap\"\nVERSION=\"15.6\"\nID=\"opensuse-leap\"\nVERSION_ID=\"15.6\"\n\
         PRETTY_NAME=\"openSUSE Leap 15.6\"\nCPE_NAME=\"cpe:/o:opensuse:leap:15.6\"\n",
        json!({"os": "SUSE", "os_family": "Suse", "osfullname": "Leap", "osfinger": "Leap-15"}),
    );
    check(
        "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME=\"Alpine Linux v3.19\"\n",
        json!({
            "os": "Alpine", "os_family": "Alpine", "osfullname": "Alpine Linux", "osrelease": "3.19.1",
            "osrelease_info": [3, 19, 1], "osfinger": "Alpine Linux-3", "osarch": "x86_64",
        }),
    );
    check(
        "NAME=\"Oracle Linux Server\"\nVERSION_ID=\"8.9\"\nID=\"ol\"\nPRETTY_NAME=\"Oracle Linux Server 8.9\"\n",
        json!({"os": "OEL", "os_family": "RedHat", "osfinger": "Oracle Linux Server-8"}),
    );
    check(
        "NAME=\"Linux Mint\"\nVERSION_ID=\"20.3\"\nID=linuxmint\nVERSION_CODENAME=una\n",
        json!({"os": "Mint", "os_family": "Debian", "osfinger": "Linux Mint-20"}),
    );
    check(
        "NAME=\"Pop!_OS\"\nVERSION_ID=\"21.10\"\nID=pop\nVERSION_CODENAME=impish\n",
        json!({"os": "Pop", "os_family": "Debian", "osfinger": "Pop!_OS-21.10"}),
    );
    check(
        "NAME=\"Amazon Linux\"\nVERSION_ID=\"2023\"\nID=\"amzn\"\nPRETTY_NAME=\"Amazon Linux 2023\"\n",
        json!({"os": "Amazon", "os_family": "RedHat", "osfinger": "Amazon Linux-2023"}),
    );
    check(
        "",
        json!({"os": "Unknown", "os_family": "Unknown", "osrelease": null}),
    );
}

#[test]
fn centos_names_its_minor_release_elsewhere() {
    let fixture = Fixture::new(&[
        (
            "etc/os-release",
            "NAME=\"CentOS Linux\"\nID=centos\nVERSION_ID=8\nPRETTY_NAME=\"CentOS Linux 8 (Core)\"\n",
        ),
        (
            "etc/centos-release",
            "CentOS Linux release 8.1.1911 (Core) \n",
        ),
    ]);
    let expected = json!({
        "os": "CentOS", "os_family": "RedHat", "oscodename": "CentOS Linux 8 (Core)", "osrelease": "8.1.1911",
        "osrelease_info": [8, 1, 1911], "osfinger": "CentOS Linux-8",
    });
    assert_grains(&fixture.grains(), expected);
}

#[test]
fn host_is_described() {
    let fixture = Fixture::new(&[
        ("proc/sys/kernel/hostname", "web1\n"),
        ("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n"),
        ("proc/sys/kernel/version", "#1 SMP\n"),
        (
            "proc/cmdline",
            "BOOT_IMAGE=/vmlinuz ro root=UUID=12 console=\"ttyS0\"\n",
        ),
        (
            "proc/cpuinfo",
            "processor\t: 0\nvendor_id\t: X\nmodel name\t: Fast CPU\nflags\t\t: sse2 avx\nprocessor\t: 1\n",
        ),
        (
            "proc/meminfo",
            "MemTotal:        4194304 kB\nSwapTotal:       1048576 kB\n",
        ),
        (
            "etc/hosts",
            "127.0.0.1 localhost\n192.0.2.10 web1.example.com web1 # me\n2001:db8::10 web1.example.com\n",
        ),
        (
            "etc/resolv.conf",
            "# c\nnameserver 192.0.2.1\nnameserver 192.0.2.1\nnameserver ::1\nsearch example.com\n",
        ),
        ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        ("sys/class/dmi/id/product_uuid", "AAAA-BB\n"),
        ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
        ("sys/block/vda/queue/rotational", "1\n"),
        ("sys/block/nvme0n1/queue/rotational", "0\n"),
        ("run/systemd/system/x", ""),
    ]);
    let expected = json!({
        "id": "m1", "banyanversion": "1.2.3", "master": ["a", "b"], "kernel": "Linux", "nodename": "web1",
        "kernelrelease": "6.1.0-18-amd64", "kernelversion": "#1 SMP", "num_cpus": 2, "cpu_model": "Fast CPU",
        "cpu_flags": ["sse2", "avx"], "mem_total": 4096, "swap_total": 1024,
    });
    let grains = fixture.grains();
    assert_grains(&grains, expected);
    let expected = json!({
        "fqdn": "web1.example.com",
        "host": "web1", "domain": "example.com", "localhost": "web1", "fqdn_ip4": ["192.0.2.10"],
        "fqdn_ip6": ["2001:db8::10"], "ipv4": ["10.0.0.9", "127.0.0.1", "192.0.2.10"], "ipv6": ["2001:db8::10"],
        "ip4_interfaces": {"eth0": ["192.0.2.10", "10.0.0.9"], "lo": ["127.0.0.1"]},
        "ip6_interfaces": {"eth0": ["2001:db8::10"], "lo": []},
        "hwaddr_interfaces": {"eth0": "52:54:00:12:34:56"}, "ip4_gw": false, "ip_gw": false, "uuid": "aaaa-bb",
        "manufacturer": "QEMU", "virtual": "kvm", "disks": ["vda"], "ssds": ["nvme0n1"], "init": "systemd",
        "machine_id": "0123456789abcdef0123456789abcdef",
        "kernelparams": [["BOOT_IMAGE", "/vmlinuz"], ["ro", null], ["root", "UUID=12"], ["console", "ttyS0"]],
        "dns": {
            "nameservers": ["192.0.2.1", "::1"], "ip4_nameservers": ["192.0.2.1"], "ip6_nameservers": ["::1"],
            "sortlist": [], "domain": "", "search": ["example.com"], "options": [],
        },
    });
    assert_grains(&grains, expected);
}

#[test]
fn containers_and_machines_are_told_apart() {
    let check = |files: &[(&str, &str)], kind: &str, subtype: Value| {
        assert_grains(
            &Fixture::new(files).grains(),
            json!({"virtual": kind, "virtual_subtype": subtype}),
        );
    };
    check(&[], "physical", json!(null));
    check(
        &[("proc/1/environ", "A=b\0container=lxc\0")],
        "container",
        json!("LXC"),
    );
    check(&[(".dockerenv", "")], "container", json!("Docker"));
    check(
        &[("proc/1/cgroup", "0::/\n1:name:/kubepods/x\n")],
        "container",
        json!("kubernetes"),
    );
    check(
        &[("sys/class/dmi/id/product_name", "VirtualBox\n")],
        "VirtualBox",
        json!(null),
    );
    check(
        &[("sys/class/dmi/id/sys_vendor", "VMware, Inc.\n")],
        "VMware",
        json!(null),
    );
    check(
        &[("sys/class/dmi/id/product_name", "Google Compute Engine\n")],
        "gce",
        json!(null),
    );
    check(
        &[("proc/cpuinfo", "flags\t\t: fpu hypervisor avx\n")],
        "kvm",
        json!(null),
    );
    check(
        &[("proc/xen/capabilities", "control_d\n")],
        "xen",
        json!("Xen Dom0"),
    );
}

#[test]
fn this_host_has_grains() {
    let grains = collect(&Facts {
        id: "m1",
        version: "1",
        master: &Value::Null,
    });
    for name in [
        "os",
        "cpuarch",
        "nodename",
        "kernelrelease",
        "pid",
        "uid",
        "ipv4",
        "locale_info",
        "path",
    ] {
        assert!(!grains[name].is_null(), "{name}");
    }
    assert!(grains["num_cpus"].as_u64().unwrap() > 0);
    assert!(grains["mem_total"].as_u64().unwrap() > 0);
    assert!(grains.get("master").is_none());
    assert_eq!(grains["saltversion"], "3008.3");
    assert_eq!(grains["saltversioninfo"], json!([3008, 3]));
}

#[test]
fn server_id_is_the_number_that_salt_computes() {
    // int(hashlib.sha256(b"m1").hexdigest(), 16) % 2**31
    assert_eq!(server_id("m1"), 890_885_657);
}

#[test]
fn static_grains_are_read() {
    let fixture = Fixture::new(&[
        ("ok", "roles:\n  - web\nport: 8080\n"),
        ("empty", ""),
        ("broken", "a: [\n"),
    ]);
    let read = |name: &str| read_static(&fixture.0.path().join(name));
    assert_eq!(
        Value::Object(read("ok").unwrap()),
        json!({"roles": ["web"], "port": 8080})
    );
    assert!(read("empty").unwrap().is_empty() && read("missing").unwrap().is_empty());
    assert!(
        read("broken")
            .unwrap_err()
            .starts_with("Unable to read existing grains file: ")
    );
}
