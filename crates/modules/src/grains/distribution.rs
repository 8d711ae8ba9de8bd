//! Which distribution this is. Names and releases follow Salt's tables, as `-G os:...` and formulas rely on them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Root;

/// Short names (the first ten letters of the full name) whose `os` grain is another word.
const OS_NAMES: [(&str, &str); 39] = [
    ("redhatente", "RedHat"),
    ("gentoobase", "Gentoo"),
    ("archarm", "Arch ARM"),
    ("arch", "Arch"),
    ("debian", "Debian"),
    ("raspbian", "Raspbian"),
    ("fedoraremi", "Fedora"),
    ("chapeau", "Chapeau"),
    ("korora", "Korora"),
    ("amazonami", "Amazon"),
    ("alt", "ALT"),
    ("enterprise", "OEL"),
    ("oracleserv", "OEL"),
    ("cloudserve", "CloudLinux"),
    ("cloudlinux", "CloudLinux"),
    ("virtuozzo", "Virtuozzo"),
    ("almalinux", "AlmaLinux"),
    ("almalinuxk", "AlmaLinux"),
    ("pidora", "Fedora"),
    ("scientific", "ScientificLinux"),
    ("synology", "Synology"),
    ("nilrt", "NILinuxRT"),
    ("poky", "Poky"),
    ("manjaro", "Manjaro"),
    ("manjarolin", "Manjaro"),
    ("univention", "Univention"),
    ("antergos", "Antergos"),
    ("sles", "SUSE"),
    ("void", "Void"),
    ("slesexpand", "RES"),
    ("linuxmint", "Mint"),
    ("neon", "KDE neon"),
    ("pop", "Pop"),
    ("pop!_os", "Pop"),
    ("rocky", "Rocky"),
    ("alibabaclo", "Alinux"),
    ("mendel", "Mendel"),
    ("photon", "VMware Photon OS"),
    ("vmwarephot", "VMware Photon OS"),
];

/// The `os_family` of an `os`; others are their own family.
const FAMILIES: [(&str, &[&str]); 9] = [
    (
        "Debian",
        &[
            "Ubuntu",
            "Mint",
            "Trisquel",
            "GCEL",
            "Linaro",
            "elementary OS",
            "elementary",
            "Univention",
            "Raspbian",
            "Devuan",
            "antiX",
            "Kali",
            "Parrot OS",
            "neon",
            "Cumulus",
            "Deepin",
            "KDE neon",
            "IDMS",
            "TurnKey",
            "Pop",
            "AstraLinuxCE",
            "AstraLinuxSE",
            "Mendel",
            "OSMC",
        ],
    ),
    (
        "RedHat",
        &[
            "Fedora",
            "Chapeau",
            "Korora",
            "FedBerry",
            "CentOS",
            "CentOS Stream",
            "GoOSe",
            "Scientific",
            "Amazon",
            "CloudLinux",
            "Virtuozzo",
            "AlmaLinux",
            "AlmaLinux Kitten",
            "OVS",
            "OEL",
            "XCP",
            "XCP-ng",
            "XenServer",
            "RES",
            "Sangoma",
            "VMware Photon OS",
            "AlterOS",
            "RED OS",
            "ALT",
            "ScientificLinux",
            "Rocky",
            "Alinux",
            "openEuler",
        ],
    ),
    (
        "Suse",
        &[
            "SLES",
            "SLED",
            "openSUSE",
            "SUSE",
            "openSUSE Leap",
            "openSUSE Tumbleweed",
            "SLES_SAP",
            "alfaLinux",
            "alfaLinux Rise",
        ],
    ),
    (
        "Arch",
        &[
            "Arch ARM",
            "Manjaro",
            "Manjaro ARM",
            "Antergos",
            "EndeavourOS",
        ],
    ),
    ("Gentoo", &["Funtoo"]),
    ("Mandriva", &["Mandrake"]),
    ("VMware", &["VMwareESX"]),
    ("Bluewhite", &["Bluewhite64"]),
    ("Slackware", &["Slamd64"]),
];

/// The grains of the distribution.
pub(super) fn of(root: &Root, cpuarch: &str) -> Map<String, Value> {
    let release = match root.text("/etc/os-release") {
        text if text.is_empty() => variables(&root.text("/usr/lib/os-release")),
        text => variables(&text),
    };
    let get = |key: &str| release.get(key).map(String::as_str).unwrap_or_default();
    let mut grains = Map::new();
    let mut set = |name: &str, value: Value| grains.insert(name.to_owned(), value);

    let lsb = variables(&root.text("/etc/lsb-release"));
    let codename = [get("VERSION_CODENAME"), get("PRETTY_NAME")]
        .into_iter()
        .find(|name| !name.is_empty());
    if lsb.contains_key("DISTRIB_ID") {
        for part in ["ID", "RELEASE", "CODENAME", "DESCRIPTION"] {
            if let Some(value) = lsb.get(&format!("DISTRIB_{part}")) {
                set(
                    &format!("lsb_distrib_{}", part.to_lowercase()),
                    json!(value),
                );
            }
        }
    } else if !release.is_empty() {
        set("lsb_distrib_id", json!(get("NAME").trim()));
        set("lsb_distrib_release", json!(get("VERSION_ID")));
        set("lsb_distrib_codename", json!(codename.unwrap_or_default()));
    }

    let name = get("NAME").trim();
    let is_suse = matches!(get("CPE_NAME").split(':').nth(2), Some("suse" | "opensuse"));
    let os = match (get("ID"), name) {
        ("", "") => "Unknown".to_owned(),
        _ if is_suse => "SUSE".to_owned(),
        ("astra", "Astra Linux (Orel)") => "AstraLinuxCE".to_owned(),
        ("astra", "Astra Linux (Smolensk)") => "AstraLinuxSE".to_owned(),
        (_, name) => os_name(name),
    };
    let full_name = match name {
        "openSUSE Leap" if is_suse => "Leap",
        _ if is_suse && get("VERSION") == "Tumbleweed" || name == "openSUSE Tumbleweed" => {
            "Tumbleweed"
        }
        "" => os.as_str(),
        name => name,
    };
    let osrelease = osrelease(root, name, get("VERSION_ID"));
    let family = FAMILIES
        .iter()
        .find(|(_, members)| members.contains(&os.as_str()))
        .map_or(os.as_str(), |(family, _)| family);
    set("os", json!(os));
    set("os_family", json!(family));
    set("osfullname", json!(full_name));
    set("osarch", json!(osarch(root, family, cpuarch)));
    set(
        "oscodename",
        json!(oscodename(&os, get("ID"), &release, codename)),
    );
    if !osrelease.is_empty() {
        set("osrelease", json!(osrelease));
        let info: Vec<Value> = osrelease.split('.').map(number_or_text).collect();
        if let Some(major) = info[0].as_u64() {
            set("osmajorrelease", json!(major));
        }
        let finger_name = if matches!(os.as_str(), "Debian" | "Raspbian" | "AlmaLinux") {
            &os
        } else {
            full_name
        };
        let first = crate::python::text(&info[0]);
        let finger_release = if matches!(os.as_str(), "Ubuntu" | "Pop" | "NixOS") {
            &osrelease
        } else {
            &first
        };
        set("osfinger", json!(format!("{finger_name}-{finger_release}")));
        set("osrelease_info", json!(info));
    }
    grains
}

fn number_or_text(part: &str) -> Value {
    part.parse::<u64>()
        .map_or_else(|_| json!(part), |number| json!(number))
}

/// The full name without its "Linux", through the table of names.
fn os_name(full_name: &str) -> String {
    let distribution = without_linux(full_name);
    let short: String = distribution
        .to_lowercase()
        .chars()
        .filter(|c| *c != ' ')
        .take(10)
        .collect();
    OS_NAMES
        .iter()
        .find(|(known, _)| *known == short)
        .map_or(distribution, |(_, os)| (*os).to_owned())
}

fn without_linux(name: &str) -> String {
    let pattern = crate::pattern::build(r"\W(?:gnu/)?linux", true);
    pattern.map_or_else(
        || name.to_owned(),
        |pattern| pattern.replace_all(name, "").trim().to_owned(),
    )
}

fn osrelease(root: &Root, name: &str, version_id: &str) -> String {
    // The os-release file of CentOS Linux lacks the minor release.
    if name == "CentOS Linux" {
        let text = root.text("/etc/centos-release");
        let release = text
            .split_whitespace()
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        if let Some(release) = release {
            return release.to_owned();
        }
    }
    version_id.to_owned()
}

fn oscodename(
    os: &str,
    id: &str,
    release: &BTreeMap<String, String>,
    codename: Option<&str>,
) -> String {
    let codename = codename.unwrap_or_default();
    let bracketed = || {
        let version = release.get("VERSION")?;
        let (_, after) = version.split_once('(')?;
        after.split(')').next().map(str::to_owned)
    };
    let is_bracketed =
        matches!(os, "Rocky" | "AlmaLinux" | "RedHat") || os.starts_with("AlmaLinux");
    match id {
        "astra" => release
            .get("VARIANT_ID")
            .cloned()
            .unwrap_or_else(|| codename.to_owned()),
        _ if is_bracketed => bracketed().unwrap_or_else(|| codename.to_owned()),
        _ => codename.to_owned(),
    }
}

/// The name of the processor that packages use.
fn osarch(root: &Root, family: &str, cpuarch: &str) -> String {
    if family != "Debian" {
        return cpuarch.to_owned();
    }
    // The first line is the native architecture; the file is there once a foreign one was added.
    if let Some(native) = root
        .text("/var/lib/dpkg/arch")
        .lines()
        .next()
        .filter(|line| !line.is_empty())
    {
        return native.to_owned();
    }
    match cpuarch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" => "armhf",
        "armv6l" => "armel",
        "i386" | "i486" | "i586" | "i686" => "i386",
        "ppc64le" => "ppc64el",
        other => other,
    }
    .to_owned()
}

/// Reads `KEY=value` lines with the shell's quotes.
fn variables(text: &str) -> BTreeMap<String, String> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            let words = shlex::split(value)
                .unwrap_or_else(|| vec![value.trim_matches(['"', '\'']).to_owned()]);
            Some((key.to_owned(), words.join(" ")))
        })
        .collect()
}
