//! Which crate may use which.

use super::Findings;
use super::house::{ROOMS, room};
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace, findings: &mut Findings) {
    for package in workspace.crates() {
        let Some(own) = room(&package.name) else {
            findings.fault(format!(
                "crate `{}` has no row in the house: crates/xtask/src/tidy/house.rs",
                package.name
            ));
            continue;
        };
        if package.dir != format!("crates/{}", package.name) {
            findings.fault(format!(
                "crate `{}` lies in {}: a folder is named as its crate",
                package.name, package.dir
            ));
        }
        for dependency in package.dependencies.iter().filter(|one| one.is_ours) {
            let target = room(&dependency.name);
            let allowed = if dependency.is_dev {
                target.is_some_and(|room| room.is_library)
            } else {
                own.may_use.contains(&dependency.name.as_str())
            };
            if !allowed {
                findings.fault(format!(
                    "`{}` must not depend on `{}`{}: see crates/xtask/src/tidy/house.rs",
                    package.name,
                    dependency.name,
                    if dependency.is_dev {
                        ", not even in tests"
                    } else {
                        ""
                    }
                ));
            }
        }
    }
    for room in ROOMS {
        if !workspace.crates().any(|package| package.name == room.name) {
            findings.fault(format!(
                "the house has a row for `{}`, which is no crate",
                room.name
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;
    use crate::workspace::{Dependency, Package};

    /// All rooms, of which `name` has one more dependency.
    fn check_one(name: &str, dependency: &str, is_dev: bool, expected: &[&str]) {
        let mut workspace = Workspace::default();
        for room in ROOMS {
            let mut dependencies = Vec::new();
            if room.name == name {
                dependencies.push(Dependency {
                    name: dependency.to_owned(),
                    is_ours: true,
                    is_dev,
                });
            }
            workspace.packages.push(Package {
                name: room.name.to_owned(),
                dir: format!("crates/{}", room.name),
                dependencies,
            });
        }
        assert_eq!(
            found(check, &workspace).faults,
            expected,
            "{name} -> {dependency}"
        );
    }

    #[test]
    fn arrows() {
        let wrong = ": see crates/xtask/src/tidy/house.rs";
        check_one("relay", "wire", false, &[]);
        check_one("hub", "link", false, &[]);
        check_one("link", "store", true, &[]);
        check_one(
            "relay",
            "link",
            false,
            &[&format!("`relay` must not depend on `link`{wrong}")],
        );
        check_one(
            "cli",
            "minion",
            false,
            &[&format!("`cli` must not depend on `minion`{wrong}")],
        );
        check_one(
            "store",
            "sim",
            true,
            &[&format!(
                "`store` must not depend on `sim`, not even in tests{wrong}"
            )],
        );
    }

    #[test]
    fn a_row_for_each_crate_and_a_crate_for_each_row() {
        let workspace = Workspace {
            packages: vec![Package {
                name: "attic".into(),
                dir: "crates/attic".into(),
                ..Package::default()
            }],
            ..Workspace::default()
        };
        let faults = found(check, &workspace).faults;
        assert_eq!(faults.len(), 1 + ROOMS.len());
        assert!(
            faults[0].starts_with("crate `attic` has no row"),
            "{}",
            faults[0]
        );
    }

    #[test]
    fn the_house_is_a_tree_of_known_rooms_without_circles() {
        for (index, own) in ROOMS.iter().enumerate() {
            for name in own.may_use {
                let below = ROOMS[..index].iter().find(|room| room.name == *name);
                let below = below.unwrap_or_else(|| panic!("{} stands above {name}", own.name));
                assert!(below.is_library, "{} uses {name}", own.name);
                assert!(
                    below.is_pure || !own.is_pure,
                    "{} is pure, {name} is not",
                    own.name
                );
            }
        }
    }
}
