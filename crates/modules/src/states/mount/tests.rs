use serde_json::{Value, json};

use crate::testing::{Host, checked};

/// A kernel whose mounts are a file, with programs that change it.
fn fake(host: &Host) {
    let mounts = host.write(
        "root/proc/self/mountinfo",
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw,discard\n",
    );
    host.write("root/proc/swaps", "Filename Type Size Used Priority\n");
    let swaps = host.path("root/proc/swaps");
    host.write("root/etc/fstab", "/dev/sda1 / ext4 rw 0 1\n");
    host.program(
        "mount",
        &format!(
            "[ \"$1\" = -l ] && exit 0\n\
             case \"$*\" in *refused*) echo 'mount: refused: no' >&2; exit 32;; *remount*) sed -i \"s|$6 rw|$6 rw,$(echo $2|sed s/,remount//)|\" {mounts}; exit 0;; esac\n\
             [ $# = 1 ] && exit 0\n\
             echo \"2 1 8:2 / $6 rw,$2 - $4 $5 rw\" >>{mounts}"
        ),
    );
    host.program(
        "umount",
        &format!("grep -v \" $1 \" {mounts} >{mounts}.new; mv {mounts}.new {mounts}"),
    );
    host.program("swapon", &format!("echo \"$1 file 10 0 -2\" >>{swaps}"));
    host.program("blkid", "exit 2");
}

fn fstab(host: &Host) -> String {
    std::fs::read_to_string(host.path("root/etc/fstab")).unwrap()
}

#[test]
fn file_systems_are_mounted() {
    let host = Host::new();
    let _root = host.lend_root();
    fake(&host);
    let point = host.path("point");
    let check = |fun: &str, args: &Value, is_test: bool, result: Option<bool>, comment: &str| {
        let answer = host.state(fun, args.clone(), is_test);
        Value::Object(checked(answer, result, comment).changes)
    };
    let args = json!({"name": point, "device": "/dev/none1", "fstype": "ext4", "opts": "noatime"});
    let comment = format!("{point} does not exist and would not be created");
    check("mount.mounted", &args, true, None, &comment);
    check(
        "mount.mounted",
        &args,
        false,
        Some(false),
        "Mount directory is not present",
    );
    let args = json!({"name": format!("{point}/"), "device": "/dev/none1", "fstype": "ext4", "opts": "noatime", "mkmnt": true});
    check(
        "mount.mounted",
        &args,
        true,
        None,
        &format!("{point} would be created and mounted"),
    );
    let comment = "Target was successfully mounted. Added new entry to the fstab.";
    let changes = check("mount.mounted", &args, false, Some(true), comment);
    assert_eq!(changes, json!({"mount": true, "persist": "new"}));
    assert_eq!(
        fstab(&host),
        format!("/dev/sda1 / ext4 rw 0 1\n/dev/none1\t\t{point}\text4\tnoatime\t0 0\n")
    );
    let comment = "Target was already mounted. Entry already exists in the fstab.";
    check("mount.mounted", &args, false, Some(true), comment);
    check("mount.mounted", &args, true, Some(true), comment);
    let other = json!({"name": point, "device": "/dev/none1", "fstype": "ext4", "opts": ["noatime", "nodev", "nofail"]});
    check(
        "mount.mounted",
        &other,
        true,
        None,
        "Remount would be forced because options (nodev) changed",
    );
    let comment = "Target was already mounted. Updated the entry in the fstab.";
    let changes = check("mount.mounted", &other, false, Some(true), comment);
    assert_eq!(
        changes["umount"],
        json!("Forced remount because options (nodev) changed")
    );
    let fewer = json!({"name": point, "device": "/dev/none1", "fstype": "ext4", "opts": "noatime,nodev", "persist": false});
    check(
        "mount.mounted",
        &fewer,
        true,
        None,
        "Remount would be forced because options (nofail)changed",
    );
    let device = json!({"name": point, "device": "/dev/none2", "fstype": "ext4", "opts": "noatime,nodev,nofail", "persist": false});
    let comment =
        "An umount would have been forced because devices do not match.  Watched: /dev/none2";
    check("mount.mounted", &device, true, None, comment);
    let changes = check(
        "mount.mounted",
        &device,
        false,
        Some(true),
        "Target was successfully mounted",
    );
    let text =
        "Forced unmount because devices don't match. Wanted: /dev/none2, current: /dev/none1";
    assert_eq!(changes, json!({"umount": text, "mount": true}));
    let args = json!({"name": point, "persist": true});
    let comment = format!("Mount point {point} is mounted but should not be");
    check("mount.unmounted", &args, true, None, &comment);
    let comment = "Target was successfully unmounted. Removed target from fstab";
    let changes = check("mount.unmounted", &args, false, Some(true), comment);
    assert_eq!(changes, json!({"umount": true, "persist": "purged"}));
    let comment = "Target was already unmounted. fstab entry not found";
    check("mount.unmounted", &args, false, Some(true), comment);
    let refused = json!({"name": host.path("root"), "device": "refused", "fstype": "ext4"});
    check(
        "mount.mounted",
        &refused,
        false,
        Some(false),
        "mount: refused: no",
    );
    let missing = json!({"name": "", "device": "x", "fstype": "y"});
    check(
        "mount.mounted",
        &missing,
        false,
        Some(false),
        "Must provide name to mount.mounted",
    );
    let unused = json!({"name": point, "device": "/dev/none3", "fstype": "ext4", "mount": false});
    let comment = format!(
        "{point} would not be mounted. {point} needs to be written to the fstab in order to be made persistent."
    );
    check("mount.mounted", &unused, true, None, &comment);
}

#[test]
fn swap_space_is_used() {
    let host = Host::new();
    let _root = host.lend_root();
    fake(&host);
    let args = json!({"name": "/swapfile"});
    assert_eq!(
        host.state("mount.swap", args.clone(), true).comment,
        "Swap /swapfile is set to be activated"
    );
    let done = host.state("mount.swap", args.clone(), false);
    assert_eq!(
        done.comment,
        "Swap /swapfile activated. Added new entry to the fstab."
    );
    assert_eq!(done.changes["size"], json!("10"));
    let done = host.state("mount.swap", args, false);
    assert_eq!(
        (done.comment.as_str(), done.changes.len()),
        ("Swap /swapfile already active", 0)
    );
    assert!(fstab(&host).ends_with("/swapfile\t\tnone\tswap\tdefaults\t0 0\n"));
}

#[test]
fn the_table_is_kept() {
    let host = Host::new();
    let _root = host.lend_root();
    fake(&host);
    let check = |fun: &str, args: &Value, is_test: bool, result: Option<bool>, comment: &str| {
        checked(host.state(fun, args.clone(), is_test), result, comment);
    };
    let args = json!({"name": "/dev/b", "fs_file": "/b/", "fs_vfstype": "ext4"});
    let comment = "/b entry will be written in /etc/fstab.\nWill mount /dev/b on /b";
    check("mount.fstab_present", &args, true, None, comment);
    let comment = "/b entry added in /etc/fstab.\nMounted /dev/b on /b";
    check("mount.fstab_present", &args, false, Some(true), comment);
    check(
        "mount.fstab_present",
        &args,
        false,
        Some(true),
        "/b entry was already in /etc/fstab.",
    );
    check(
        "mount.fstab_present",
        &args,
        true,
        Some(true),
        "/b entry is already in /etc/fstab.",
    );
    let other =
        json!({"name": "/dev/b", "fs_file": "/b/", "fs_vfstype": "ext4", "fs_mntops": "ro"});
    check(
        "mount.fstab_present",
        &other,
        true,
        None,
        "/b entry will be updated in /etc/fstab.",
    );
    check(
        "mount.fstab_present",
        &other,
        false,
        Some(true),
        "/b entry updated in /etc/fstab.",
    );
    let gone = json!({"name": "/dev/b", "fs_file": "/b"});
    check(
        "mount.fstab_absent",
        &gone,
        true,
        None,
        "/b entry will be removed from /etc/fstab.",
    );
    check(
        "mount.fstab_absent",
        &gone,
        false,
        Some(true),
        "/b entry removed from /etc/fstab.",
    );
    check(
        "mount.fstab_absent",
        &gone,
        false,
        Some(true),
        "/b entry is already missing in /etc/fstab.",
    );
}
