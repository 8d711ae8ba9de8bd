//! Whether the host is a machine, a virtual machine or a container, in Salt's words.

use serde_json::{Map, Value, json};

use super::Root;

/// Words in the firmware's names of vendor and product, and what they mean. The first that fits wins.
const FIRMWARE: [(&str, &str, Option<&str>); 16] = [
    ("vmware", "VMware", None),
    ("virtualbox", "VirtualBox", None),
    ("innotek", "VirtualBox", None),
    ("rhev hypervisor", "kvm", Some("rhev")),
    ("ovirt", "kvm", Some("ovirt")),
    ("nutanix", "kvm", Some("Nutanix AHV")),
    ("google", "gce", None),
    ("amazon ec2", "Nitro", Some("Amazon EC2")),
    ("bhyve", "bhyve", None),
    ("microsoft corporation virtual machine", "VirtualPC", None),
    ("parallels", "Parallels", None),
    ("hvm domu", "xen", Some("Xen HVM DomU")),
    ("openstack", "kvm", None),
    ("qemu", "kvm", None),
    ("bochs", "kvm", None),
    ("kvm", "kvm", None),
];

pub(super) fn of(root: &Root) -> Map<String, Value> {
    let (kind, subtype) = container(root)
        .or_else(|| machine(root))
        .unwrap_or(("physical", None));
    let mut grains = Map::new();
    grains.insert("virtual".to_owned(), json!(kind));
    if let Some(subtype) = subtype {
        grains.insert("virtual_subtype".to_owned(), json!(subtype));
    }
    grains
}

type Kind = (&'static str, Option<&'static str>);

fn container(root: &Root) -> Option<Kind> {
    let cgroup = root.text("/proc/1/cgroup");
    let environ = root.text("/proc/1/environ");
    let told = root.line("/run/systemd/container").or_else(|| {
        environ
            .split('\0')
            .find_map(|variable| variable.strip_prefix("container="))
            .map(str::to_owned)
    });
    let told = told.as_deref().unwrap_or_default();
    let subtype = if cgroup.contains(":/kubepods") || root.exists("/var/run/secrets/kubernetes.io")
    {
        "kubernetes"
    } else if told == "podman"
        || cgroup.contains(":/libpod_parent/")
        || root.exists("/run/.containerenv")
    {
        "Podman"
    } else if told == "docker"
        || cgroup.contains(":/docker/")
        || cgroup.contains("/docker-")
        || root.exists("/.dockerenv")
    {
        "Docker"
    } else if told.starts_with("lxc") || cgroup.contains(":/lxc/") {
        "LXC"
    } else if told == "systemd-nspawn" {
        return Some(("systemd-nspawn", None));
    } else if !told.is_empty() {
        return Some(("container", None));
    } else {
        return None;
    };
    Some(("container", Some(subtype)))
}

fn machine(root: &Root) -> Option<Kind> {
    if root.exists("/proc/xen") || root.exists("/sys/bus/xen/drivers/xenconsole") {
        let is_host = root.text("/proc/xen/capabilities").contains("control_d");
        return Some((
            "xen",
            Some(if is_host { "Xen Dom0" } else { "Xen PV DomU" }),
        ));
    }
    let id = |file: &str| {
        root.line(&format!("/sys/class/dmi/id/{file}"))
            .unwrap_or_default()
    };
    let names = format!(
        "{} {} {}",
        id("sys_vendor"),
        id("product_name"),
        id("bios_vendor")
    )
    .to_lowercase();
    if let Some((_, kind, subtype)) = FIRMWARE.iter().find(|(word, ..)| names.contains(word)) {
        return Some((kind, *subtype));
    }
    let processors = root.text("/proc/cpuinfo");
    if processors.contains("QEMU Virtual CPU") {
        return Some(("kvm", None));
    }
    // Small hypervisors have no firmware; the processor still tells that one is there.
    let is_guest = processors.lines().any(|line| {
        line.starts_with("flags") && line.split_whitespace().any(|flag| flag == "hypervisor")
    });
    is_guest.then_some(("kvm", None))
}
