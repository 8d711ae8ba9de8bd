//! Which crate may use which foreign library, and make which call.

use super::Findings;
use super::house::{CALLS, FENCES, room};
use crate::workspace::Workspace;

pub fn libraries(workspace: &Workspace, findings: &mut Findings) {
    for package in workspace.crates() {
        for dependency in &package.dependencies {
            let fence = FENCES.iter().find(|fence| fence.library == dependency.name);
            if let Some(fence) =
                fence.filter(|fence| !fence.within.contains(&package.name.as_str()))
            {
                findings.fault(format!(
                    "`{}` uses {}, which belongs to {}: {}",
                    package.name,
                    fence.library,
                    fence.within.join(", "),
                    fence.reason
                ));
            }
        }
    }
}

pub fn calls(workspace: &Workspace, findings: &mut Findings) {
    for package in workspace.crates() {
        let is_pure = room(&package.name).is_some_and(|room| room.is_pure);
        let fenced: Vec<_> = CALLS
            .iter()
            .filter(|call| match call.within {
                Some(within) => !within.contains(&package.name.as_str()),
                None => is_pure,
            })
            .collect();
        for (path, text) in workspace.sources(&format!("{}/src", package.dir)) {
            for (number, line) in product_lines(path, text) {
                if let Some(call) = fenced
                    .iter()
                    .find(|call| call.text.iter().all(|word| line.contains(word)))
                {
                    findings.fault(format!("{path}:{number}: {}: {}", line.trim(), call.reason));
                }
            }
        }
    }
}

/// Lines that are part of the product: no comments, no tests. A file's tests stand last.
fn product_lines<'a>(path: &str, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
    let product = match text.find("#[cfg(test)]\nmod tests {") {
        _ if is_test => "",
        Some(end) => &text[..end],
        None => text,
    };
    (1..)
        .zip(product.lines())
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;
    use crate::workspace::{Dependency, Package};

    fn package(name: &str, library: &str) -> Package {
        Package {
            name: name.to_owned(),
            dir: format!("crates/{name}"),
            dependencies: vec![Dependency {
                name: library.to_owned(),
                is_ours: false,
                is_dev: true,
            }],
        }
    }

    #[test]
    fn a_library_behind_a_fence_is_refused_elsewhere() {
        let workspace = Workspace {
            packages: vec![
                package("wire", "bincode"),
                package("store", "bincode"),
                package("store", "regex"),
            ],
            ..Workspace::default()
        };
        assert_eq!(
            found(libraries, &workspace).faults,
            [
                "`store` uses bincode, which belongs to wire: it is no longer maintained, and must be replaceable in one place"
            ]
        );
    }

    fn check_call(path: &str, text: &str, expected: &[usize]) {
        let name = path.split('/').nth(1).unwrap();
        let workspace = Workspace {
            packages: vec![package(name, "regex")],
            files: [(path.to_owned(), text.to_owned())].into(),
        };
        let lines: Vec<usize> = found(calls, &workspace)
            .faults
            .iter()
            .map(|fault| fault.split(':').nth(1).unwrap().parse().unwrap())
            .collect();
        assert_eq!(lines, expected, "{path}: {text}");
    }

    #[test]
    fn programs_are_started_by_minions_alone() {
        let start = "use std::io;\nuse std::process::{Command, Stdio};\n";
        check_call("crates/modules/src/process.rs", start, &[]);
        check_call("crates/hub/src/process.rs", start, &[2]);
        check_call("crates/hub/src/process/tests.rs", start, &[]);
        check_call("crates/hub/tests/process.rs", start, &[]);
        check_call("crates/cli/src/a.rs", "clap::Command::new(NAME)", &[]);
        check_call("crates/hub/src/a.rs", "// std::process::Command\n", &[]);
        check_call(
            "crates/hub/src/a.rs",
            &format!("#[cfg(test)]\nmod tests {{\n{start}}}"),
            &[],
        );
        check_call(
            "crates/hub/src/a.rs",
            &format!("#[cfg(test)]\nmod fixture;\n{start}"),
            &[4],
        );
    }

    #[test]
    fn pure_crates_read_no_clock() {
        check_call("crates/relay/src/hub.rs", "let now = Instant::now();", &[1]);
        check_call("crates/hub/src/engine.rs", "let now = Instant::now();", &[]);
    }
}
