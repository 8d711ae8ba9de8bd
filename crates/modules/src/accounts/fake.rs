//! Accounts below a temporary directory, for tests: shadow's own programs with a prefix, and small ones in the place of those that know none.

use super::Accounts;
use crate::cancel::Cancel;
use crate::testing::write_script;
use crate::tools::Tools;

/// What `gpasswd`, `chpasswd`, `chage` and `passwd` do to the files, as far as tests need it. Each edits a file by awk.
const SMALL: [(&str, &str); 4] = [
    (
        "gpasswd",
        "case $1 in --add) user=$2 group=$3;; --del) user=$2 group=$3;; --members) user=$2 group=$3;; esac\n\
         awk -F: -v OFS=: -v how=$1 -v user=$user -v group=$group '$1 == group { n = split($4, m, \",\"); out = \"\"\n\
         if (how == \"--members\") { out = user } else { for (i = 1; i <= n; i++) if (m[i] != user && m[i] != \"\") out = out (out == \"\" ? \"\" : \",\") m[i]\n\
         if (how == \"--add\") out = out (out == \"\" ? \"\" : \",\") user }\n\
         $4 = out } { print }' etc/group > new && mv new etc/group",
    ),
    (
        "chpasswd",
        "IFS=: read -r user hash\nawk -F: -v OFS=: -v user=\"$user\" -v hash=\"$hash\" '$1 == user { $2 = hash; $3 = 20000 } { print }' \
         etc/shadow > new && mv new etc/shadow",
    ),
    (
        "chage",
        "case $1 in -d) at=3;; -m) at=4;; -M) at=5;; -W) at=6;; -I) at=7;; -E) at=8;; esac\n\
         awk -F: -v OFS=: -v at=$at -v value=\"$2\" -v user=\"$3\" '$1 == user { $at = value } { print }' etc/shadow > new && mv new etc/shadow",
    ),
    (
        "passwd",
        "awk -F: -v OFS=: -v how=$1 -v user=\"$2\" '$1 == user { if (how == \"-d\") $2 = \"\"; else if (how == \"-l\") $2 = \"!\" $2; \
         else sub(/^!/, \"\", $2) } { print }' etc/shadow > new && mv new etc/shadow",
    ),
];

/// Programs of shadow that take a prefix.
const PREFIXED: [&str; 6] = [
    "useradd", "usermod", "userdel", "groupadd", "groupmod", "groupdel",
];

/// Whether this host has what such tests need: root, and the programs.
pub(crate) fn is_possible() -> bool {
    let has = |program: &&str| crate::process::which(program).is_some();
    nix::unistd::Uid::effective().is_root() && PREFIXED.iter().all(has) && has(&"awk")
}

pub(crate) struct Fake {
    pub(crate) dir: tempfile::TempDir,
    cancel: Cancel,
}

impl Fake {
    pub(crate) fn new() -> Fake {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake {
            dir,
            cancel: Cancel::new(),
        };
        for directory in ["bin", "etc", "home"] {
            std::fs::create_dir(fake.dir.path().join(directory)).unwrap();
        }
        fake.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        fake.write("etc/shadow", "root:*:20000:0:99999:7:::\n");
        fake.write("etc/group", "root:x:0:\nadm:x:4:\nwheel:x:10:\n");
        fake.write("etc/gshadow", "root:*::\nadm:!::\nwheel:!::\n");
        fake.write("etc/login.defs", "UID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\nUSERGROUPS_ENAB yes\nMAIL_DIR mail\n");
        let root = fake.dir.path().display().to_string();
        for program in PREFIXED {
            let real = crate::process::which(program).unwrap_or_default();
            fake.program(
                program,
                &format!("exec {} -P {root} \"$@\"", real.display()),
            );
        }
        for (program, script) in SMALL {
            fake.program(program, &format!("cd {root}\n{script}"));
        }
        fake
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        std::fs::write(self.dir.path().join(path), text).unwrap();
    }

    fn program(&self, name: &str, script: &str) {
        write_script(&self.dir.path().join("bin").join(name), script);
    }

    pub(crate) fn accounts(&self) -> Accounts<'_> {
        Accounts::of(Tools::fake(&self.cancel, self.dir.path().to_path_buf()))
    }
}
