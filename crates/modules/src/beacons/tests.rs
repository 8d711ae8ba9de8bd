use serde_json::json;

use super::*;

fn read(name: &str, config: Value) -> Beacon {
    Beacon::read(name, &config).unwrap()
}

fn look(beacon: &mut Beacon, answers: Value) -> Vec<Told> {
    let call = |fun: &str, args: Vec<Value>| {
        let key = args
            .first()
            .and_then(Value::as_str)
            .map(|arg| format!("{fun} {arg}"));
        let found = key
            .and_then(|key| answers.get(&key))
            .or_else(|| answers.get(fun));
        found.cloned().ok_or_else(|| format!("{fun} is not there"))
    };
    beacon.look(&call).unwrap()
}

fn data(told: &[Told]) -> Vec<Value> {
    told.iter()
        .map(|one| Value::Object(one.data.clone()))
        .collect()
}

#[test]
fn what_is_full_is_told() {
    let mut disks = read(
        "diskusage",
        json!([{"/": "63%"}, {"/mnt/.*": 50}, {"interval": 120}]),
    );
    assert_eq!(disks.interval.as_secs(), 120);
    let answers = json!({
        "ps.disk_partitions": [{"mountpoint": "/"}, {"mountpoint": "/mnt/a"}, {"mountpoint": "/home"}],
        "ps.disk_usage /": {"percent": 62.9},
        "ps.disk_usage /mnt/a": {"percent": 50.0},
    });
    assert_eq!(
        data(&look(&mut disks, answers)),
        [json!({"diskusage": 50.0, "mount": "/mnt/a"})]
    );
    let mut memory = read("memusage", json!([{"percent": "63%"}]));
    let told = look(&mut memory, json!({"ps.virtual_memory": {"percent": 70.0}}));
    assert_eq!(data(&told), [json!({"memusage": 70.0})]);
    assert!(look(&mut memory, json!({"ps.virtual_memory": {"percent": 12.0}})).is_empty());
    let mut other = read(
        "second",
        json!({"beacon_module": "swapusage", "percent": 5}),
    );
    assert_eq!(
        look(&mut other, json!({"ps.swap_memory": {"percent": 5.0}})).len(),
        1
    );
}

#[test]
fn load_is_told_beyond_its_bounds_or_when_it_passes_them() {
    let averages = json!({"1m": [0.0, 2.0]});
    let load =
        |value: f64| json!({"status.loadavg": {"1-min": value, "5-min": 0.1, "15-min": 0.1}});
    let mut always = read("load", json!([{"averages": averages}]));
    assert_eq!(look(&mut always, load(1.0)).len(), 0);
    for _ in 0..2 {
        let told = look(&mut always, load(3.0));
        assert_eq!(data(&told), [json!({"1m": 3.0, "5m": 0.1, "15m": 0.1})]);
    }
    let changes = json!([{"averages": averages}, {"onchangeonly": true}, {"emitatstartup": false}]);
    let mut changes = read("load", changes);
    let counts: Vec<usize> = [3.0, 3.0, 1.0, 3.0, 3.0]
        .map(|value| look(&mut changes, load(value)).len())
        .to_vec();
    assert_eq!(counts, [0, 0, 0, 1, 0]);
}

#[test]
fn interfaces_are_told_when_a_counter_passes_its_number() {
    let counters = |count: u64| json!({"bytes_sent": count, "errin": 0});
    let answers = |count| json!({"ps.network_io_counters eth0": counters(count), "ps.network_io_counters eth1": false});
    let interfaces =
        json!({"eth0": {"type": "greater", "bytes_sent": 100, "errin": 5}, "eth1": {"errin": 0}});
    let mut greater = read("network_info", json!([{"interfaces": interfaces}]));
    assert!(look(&mut greater, answers(100)).is_empty());
    assert_eq!(
        data(&look(&mut greater, answers(101))),
        [json!({"interface": "eth0", "network_info": counters(101)})]
    );
    let mut equal = read(
        "network_info",
        json!([{"interfaces": {"eth0": {"bytes_sent": "7"}}}]),
    );
    let counts = [6, 7, 8].map(|count| look(&mut equal, answers(count)).len());
    assert_eq!(counts, [0, 1, 0]);
    for wrong in [
        json!({}),
        json!({"type": "less", "errin": 1}),
        json!({"colour": 1}),
        json!({"errin": "many"}),
    ] {
        let config = json!([{"interfaces": {"eth0": wrong}}]);
        assert!(Beacon::read("network_info", &config).is_err(), "{config}");
    }
}

#[test]
fn services_and_processes_are_told() {
    let services =
        json!([{"services": {"a": {"onchangeonly": true}, "b": {"is_running_state": false}}}]);
    let mut services = read("service", services);
    let running = |a: bool, b: bool| json!({"service.status a": a, "service.status b": b});
    let told = look(&mut services, running(true, false));
    assert_eq!(told[0].tag, "a");
    assert_eq!(
        data(&told)[0],
        json!({"a": {"running": true}, "service_name": "a"})
    );
    assert_eq!(told[1].tag, "b");
    assert_eq!(look(&mut services, running(true, true)).len(), 0);
    let told = look(&mut services, running(false, true));
    assert_eq!(
        data(&told),
        [json!({"a": {"running": false}, "service_name": "a"})]
    );
    let mut processes = read(
        "ps",
        json!([{"processes": {"no-such-process": "stopped", "other-none": "running"}}]),
    );
    assert_eq!(
        data(&look(&mut processes, json!({}))),
        [json!({"no-such-process": "Stopped"})]
    );
    let mut status = read(
        "status",
        json!([{"loadavg": ["1-min"]}, {"time": "all"}, {"gone": ["all"]}]),
    );
    let told = look(
        &mut status,
        json!({"status.loadavg": {"1-min": 1.0, "5-min": 2.0}, "status.time": "now"}),
    );
    let expected = json!({"data": {"loadavg": {"1-min": 1.0}, "time": "now", "gone": {}}});
    assert_eq!(data(&told), [expected]);
}

#[test]
fn changes_of_files_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    std::fs::create_dir(dir.path().join("old")).unwrap();
    let mut beacon = read(
        "inotify",
        json!([{"files": {path: {
            "mask": ["create", "modify", "delete"], "recurse": true, "auto_add": true,
            "exclude": [{".*\\.swp$": {"regex": true}}],
        }}}]),
    );
    let mut look = || look(&mut beacon, json!({}));
    assert_eq!(look(), []);
    std::fs::write(dir.path().join("old/x"), "y").unwrap();
    std::fs::write(dir.path().join("old/x.swp"), "y").unwrap();
    std::fs::create_dir(dir.path().join("new")).unwrap();
    let said = |told: Vec<Told>| -> Vec<String> {
        let text = |one: &Told| format!("{} {} {}", one.tag, one.data["path"], one.data["change"]);
        told.iter()
            .map(|one| text(one).replace(path, "").replace('"', ""))
            .collect()
    };
    assert_eq!(
        said(look()),
        [
            "/old /old/x IN_CREATE",
            "/old /old/x IN_MODIFY",
            " /new IN_CREATE|IN_ISDIR"
        ]
    );
    std::fs::write(dir.path().join("new/z"), "").unwrap();
    std::fs::remove_file(dir.path().join("old/x")).unwrap();
    assert_eq!(
        said(look()),
        ["/new /new/z IN_CREATE", "/old /old/x IN_DELETE"]
    );
    assert_eq!(look(), []);
}

#[test]
fn what_cannot_be_is_refused() {
    for (name, config, words) in [
        ("sh", json!([]), "Beacon \"sh\" is not available."),
        ("load", json!([]), "Averages configuration is required"),
        (
            "load",
            json!([{"averages": {"1m": [1]}}]),
            "must be a list of two items",
        ),
        ("load", json!("x"), "must be a list"),
        ("memusage", json!([{"precent": 5}]), "no key \"precent\""),
        (
            "service",
            json!([{"services": {"a": {"delay": 5}}}]),
            "no key \"delay\"",
        ),
        ("ps", json!([{"processes": []}]), "must be a dictionary"),
        ("diskusage", json!([{"/": "full"}]), "needs a share"),
        (
            "inotify",
            json!([{"files": {"/x": {"mask": ["all"]}}}]),
            "invalid mask option all",
        ),
        (
            "load",
            json!([{"averages": {"1m": [1, 2]}}, {"interval": 0}]),
            "interval has to be seconds",
        ),
    ] {
        let error = Beacon::read(name, &config).err().unwrap();
        assert!(error.contains(words), "{name} {config}: {error}");
    }
}
