//! `status` on texts like the kernel's, and on this host.

use serde_json::{Value, json};

use super::kernel::*;
use crate::call::Call;
use crate::testing::Host;

#[test]
fn kernel_files_are_read() {
    let check = |found: Value, expected: Value| assert_eq!(found, expected);
    check(
        loadavg("0.10 0.20 1.5 1/200 4242\n"),
        json!({"1-min": 0.1, "5-min": 0.2, "15-min": 1.5}),
    );
    check(
        meminfo("MemTotal:  100 kB\nHugePages_Total:  0\n"),
        json!({"MemTotal": {"value": "100", "unit": "kB"}, "HugePages_Total": {"value": "0"}}),
    );
    let stat = cpustats("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2\nintr 9 1 2\nctxt 77\nsoftirq 5 4\n");
    check(stat["cpu"]["idle"].clone(), json!(4));
    check(stat["intr"].clone(), json!({"total": 9, "irqs": [1, 2]}));
    check(
        stat["softirq"].clone(),
        json!({"total": 5, "softirqs": [4]}),
    );
    check(stat["ctxt"].clone(), json!(77));
    let disks = diskstats(" 8 0 sda 1 2 3 4 5 6 7 8 9 10 11 0 0\n");
    check(disks["sda"]["weighted_ms_spent_in_io"].clone(), json!(11));
    let net =
        netdev("Inter-| Receive\n face |bytes\n eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    check(net["eth0"]["tx_compressed"].clone(), json!(16));
    check(net["eth0"]["iface"].clone(), json!("eth0"));
    check(
        netstats("TcpExt: A B\nTcpExt: 1 2\n"),
        json!({"TcpExt": {"A": 1, "B": 2}}),
    );
    check(vmstats("nr_free_pages 5\n"), json!({"nr_free_pages": 5}));
    check(
        cpuinfo("processor\t: 0\nflags\t: a b\n"),
        json!({"processor": "0", "flags": ["a", "b"]}),
    );
    check(
        login("root tty1 10:00 1.00s 0.1s 0.0s vi x").unwrap()["what"].clone(),
        json!("vi x"),
    );
}

#[test]
fn this_host_is_alive() {
    let host = Host::new();
    let call = |call: Call| {
        let outcome = host.call(call);
        assert!(outcome.success, "{:?}", outcome.value);
        outcome.value
    };
    assert!(
        call(Call::new("status.uptime"))["seconds"]
            .as_i64()
            .unwrap()
            > 0
    );
    assert!(call(Call::new("status.nproc")).as_u64().unwrap() > 0);
    let own = std::process::id().to_string();
    assert!(
        call(Call::new("status.procs"))[&own]["cmd"]
            .as_str()
            .unwrap()
            .contains("modules")
    );
    assert!(
        !call(Call::new("status.pid").arg("modules"))
            .as_str()
            .unwrap()
            .split('\n')
            .any(|pid| pid == own)
    );
    assert!(
        call(Call::new("status.diskusage").arg("/"))["/"]["total"]
            .as_u64()
            .unwrap()
            > 0
    );
    assert_eq!(call(Call::new("status.time").arg("x%%")), json!("x%"));
    assert!(call(Call::new("status.all_status"))["meminfo"]["MemTotal"].is_object());
    assert!(!host.call(Call::new("status.pid").arg("(")).success);
}
