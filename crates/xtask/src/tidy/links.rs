//! Whether links between the pages of this tree lead somewhere.

use super::Findings;
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace, findings: &mut Findings) {
    let pages = workspace
        .files
        .iter()
        .filter(|(path, _)| path.ends_with(".md"));
    for (path, text) in pages {
        for (number, line) in (1..).zip(text.lines()) {
            for link in links(line).filter(|link| !link.contains("://")) {
                if !leads_somewhere(workspace, path, link) {
                    findings.fault(format!("{path}:{number}: there is no {link}"));
                }
            }
        }
    }
}

/// Targets of the links in a line: `](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

fn leads_somewhere(workspace: &Workspace, from: &str, link: &str) -> bool {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = if file.is_empty() {
        from.to_owned()
    } else {
        beside(from, file)
    };
    if anchor.is_empty() {
        return workspace.has(&path);
    }
    let Some(text) = workspace.files.get(&path) else {
        return false;
    };
    text.lines()
        .filter(|line| line.starts_with('#'))
        .any(|heading| slug(heading) == anchor)
}

/// A path that is written relative to a file's folder, from the root.
fn beside(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The anchor that GitHub makes of a heading.
fn slug(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    fn check_link(link: &str, expected: usize) {
        let page = format!("# Here, there\n\nsee [it]({link}) and [that](https://example.com/x)\n");
        let workspace = Workspace {
            files: [
                ("docs/a.md".to_owned(), page),
                ("README.md".to_owned(), "# Read `me`\n".to_owned()),
            ]
            .into(),
            ..Workspace::default()
        };
        assert_eq!(found(check, &workspace).faults.len(), expected, "{link}");
    }

    #[test]
    fn links_lead_to_files_and_headings() {
        check_link("a.md", 0);
        check_link("./a.md#here-there", 0);
        check_link("#here-there", 0);
        check_link("../README.md#read-me", 0);
        check_link("../docs", 0);
        check_link("b.md", 1);
        check_link("#nowhere", 1);
        check_link("../README.md#here-there", 1);
    }
}
