//! Whether what lies in `deploy/` would work: units, and sample settings.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use daemon::config::keys::keys_of;
use daemon::config::{ConfigErrors, Program, Sources};
use tempfile::TempDir;

/// Tests run in the directory of their crate.
fn deploy(path: &str) -> PathBuf {
    Path::new("../../deploy").join(path)
}

fn read(path: &str) -> String {
    let path = deploy(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Entries of a unit: section, key, value. Panics on a line that is none.
fn entries(name: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(read(&format!("systemd/{name}")).lines()) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name.to_owned();
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or_else(|| {
            panic!("{name}:{number}: neither section, entry nor comment: {line}")
        });
        assert!(
            !section.is_empty(),
            "{name}:{number}: before the first section"
        );
        entries.push((section.clone(), key.to_owned(), value.to_owned()));
    }
    entries
}

fn unit(program: Program) -> String {
    format!("banyan-{program}.service")
}

/// What each section of our units may hold. systemd only warns of a key that it does not know.
const KNOWN: &[(&str, &str)] = &[
    ("Unit", "Description Wants After StartLimitIntervalSec"),
    (
        "Service",
        "Type ExecStart ExecReload Restart RestartSec RestartPreventExitStatus WatchdogSec TimeoutStartSec \
         TimeoutStopSec User Group UMask StateDirectory StateDirectoryMode CacheDirectory CacheDirectoryMode \
         LogsDirectory RuntimeDirectory RuntimeDirectoryMode RuntimeDirectoryPreserve LimitNOFILE TasksMax KillMode \
         OOMPolicy NoNewPrivileges CapabilityBoundingSet AmbientCapabilities ProtectSystem ProtectHome PrivateTmp \
         PrivateDevices DevicePolicy ProtectClock ProtectControlGroups ProtectHostname ProtectKernelLogs \
         ProtectKernelModules ProtectKernelTunables ProtectProc RestrictAddressFamilies RestrictNamespaces \
         RestrictRealtime RestrictSUIDSGID RemoveIPC LockPersonality KeyringMode MemoryDenyWriteExecute \
         SystemCallArchitectures SystemCallFilter SystemCallErrorNumber",
    ),
    ("Install", "WantedBy"),
];

/// Keys that a unit may set more than once.
const REPEATED: &[&str] = &["SystemCallFilter"];

#[test]
fn units_hold_known_keys_in_known_sections() {
    for program in Program::ALL {
        let name = unit(program);
        let mut seen = BTreeMap::new();
        for (section, key, value) in entries(&name) {
            let (_, keys) = KNOWN
                .iter()
                .find(|(known, _)| *known == section)
                .unwrap_or_else(|| panic!("{name}: section {section}"));
            assert!(
                keys.split_whitespace().any(|known| known == key),
                "{name}: {key} in {section}"
            );
            let before = seen.insert(key.clone(), value);
            assert!(
                before.is_none() || REPEATED.contains(&key.as_str()),
                "{name}: {key} twice"
            );
        }
    }
}

/// The value of a key of `[Service]`.
fn service(program: Program, wanted: &str) -> Option<String> {
    entries(&unit(program))
        .into_iter()
        .find(|(section, key, _)| section == "Service" && key == wanted)
        .map(|(_, _, value)| value)
}

#[test]
fn units_start_the_programs_as_they_want_to_be_started() {
    for program in Program::ALL {
        let value = |key| service(program, key).unwrap_or_else(|| panic!("{program}: no {key}"));
        // The program speaks with the service manager: see `daemon::signals`.
        assert_eq!(value("Type"), "notify", "{program}");
        assert!(value("WatchdogSec").ends_with('s'), "{program}");
        assert_eq!(value("ExecReload"), "/bin/kill -HUP $MAINPID", "{program}");
        assert_eq!(value("ExecStart"), format!("/usr/bin/{program} serve"));
        // Exit codes that a restart does not change.
        assert_eq!(
            value("RestartPreventExitStatus"),
            format!("{} {}", daemon::exit::USAGE, daemon::exit::CONFIG),
            "{program}"
        );
        // Directories are those that the program uses below `/`.
        assert_eq!(value("StateDirectory"), format!("banyan/{program}"));
        assert_eq!(value("CacheDirectory"), format!("banyan/{program}"));
    }
}

/// The whole workspace is built before it is tested; this crate alone brings no programs.
#[test]
fn programs_have_the_command_that_their_unit_starts() {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).unwrap();
    for program in Program::ALL {
        let path = built.join(program.as_str());
        if !path.exists() {
            println!("skipped: {program} is not built");
            continue;
        }
        let output = Command::new(path)
            .args(["serve", "--help"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{program}: {output:?}");
    }
}

#[test]
fn hubs_run_without_any_privilege() {
    for program in [Program::TopMaster, Program::Syndic] {
        for (key, expected) in [
            ("User", "banyan"),
            ("NoNewPrivileges", "yes"),
            ("CapabilityBoundingSet", ""),
            ("ProtectSystem", "strict"),
            ("PrivateTmp", "yes"),
            ("MemoryDenyWriteExecute", "yes"),
            ("SystemCallFilter", "@system-service"),
            ("RuntimeDirectory", "banyan"),
            ("RuntimeDirectoryMode", "0700"),
        ] {
            assert_eq!(
                service(program, key).as_deref(),
                Some(expected),
                "{program}: {key}"
            );
        }
    }
    assert!(read("systemd/banyan.sysusers").contains("\nu banyan "));
}

#[test]
fn systemd_accepts_the_units() {
    let analyze = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).output();
    if analyze(&["--version"]).is_err() {
        println!("skipped: systemd-analyze is not installed");
        return;
    }
    for program in Program::ALL {
        // The programs need not be installed here.
        let installed = format!("/usr/bin/{program} ");
        let text = read(&format!("systemd/{}", unit(program))).replace(&installed, "/bin/true ");
        let dir = TempDir::new().unwrap();
        let path = dir.path().join(unit(program));
        fs::write(&path, text).unwrap();
        let output = analyze(&["verify", "--man=no", path.to_str().unwrap()]).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // It may complain about other units of this host; ours are named.
        let ours: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("banyan"))
            .collect();
        assert!(ours.is_empty(), "{ours:#?}");
    }
}

/// Reads settings from a text, as the program would.
fn parse(program: Program, text: &str) -> Result<(), ConfigErrors> {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join(program.as_str());
    fs::write(&file, text).unwrap();
    let environment: BTreeMap<String, String> = [("HOSTNAME".into(), "host1".into())].into();
    let sources = Sources {
        program,
        config_file: Some(file),
        flags: Vec::new(),
        environment: &environment,
    };
    match program {
        Program::TopMaster | Program::Syndic => sources.hub().map(|_| ()),
        Program::Minion => sources.minion().map(|_| ()),
    }
}

/// The text with every `#key: value` as if it were set. Words for people have a space after the `#`.
fn with_all_set(text: &str) -> String {
    let mut depth = 0;
    text.lines()
        .map(|line| match line.strip_prefix('#') {
            // A line of a commented block is indented within it: `#  remote: ...`.
            Some(rest)
                if !rest.is_empty()
                    && (!rest.starts_with(' ') || (depth > 0 && rest.starts_with("  "))) =>
            {
                depth = usize::from(rest.ends_with(':') || rest.starts_with(' '));
                format!("{rest}\n")
            }
            _ => {
                depth = 0;
                format!("{line}\n")
            }
        })
        .collect()
}

#[test]
fn sample_settings_are_right_as_they_are_and_with_every_key_set() {
    for program in Program::ALL {
        let sample = read(&format!("config/{program}"));
        parse(program, &sample).unwrap_or_else(|e| panic!("deploy/config/{program}: {e}"));
        let all = with_all_set(&sample);
        parse(program, &all)
            .unwrap_or_else(|e| panic!("deploy/config/{program}, all set: {e}\n{all}"));
        let set = |text: &str| {
            keys_of(program)
                .filter(|key| {
                    text.lines()
                        .any(|line| line.starts_with(&format!("{}:", key.name)))
                })
                .count()
        };
        assert!(
            set(&all) > set(&sample),
            "{program}: no line was taken for a setting"
        );
    }
}

#[test]
fn the_kernel_is_asked_for_the_buffer_that_hubs_want() {
    let sysctl = read("systemd/banyan.sysctl");
    let link = fs::read_to_string(deploy("../crates/link/src/tuning.rs")).unwrap();
    assert!(
        link.contains("receive_buffer: 64 << 20"),
        "the hub's buffer has changed"
    );
    assert!(sysctl.contains(&format!("net.core.rmem_max = {}", 64 << 20)));
}
