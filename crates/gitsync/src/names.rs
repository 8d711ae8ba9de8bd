//! Which names from a tree may be served.

/// Whether a name in a tree is harmless as a path component, on any system the file may end up on.
///
/// Refused: not UTF-8, empty, `.`, `..`, control characters, `/`, backslash, and all that a case-insensitive, HFS+ or
/// NTFS file system reads as `.git`.
pub(crate) fn is_servable(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else {
        return false;
    };
    !matches!(name, "" | "." | "..")
        && !name
            .chars()
            .any(|c| c.is_control() || matches!(c, '/' | '\\'))
        && !is_dot_git(name)
}

fn is_dot_git(name: &str) -> bool {
    // HFS+ ignores these characters when it compares names.
    let ignored = |c: char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let folded: String = name
        .chars()
        .filter(|&c| !ignored(c))
        .flat_map(char::to_lowercase)
        .collect();
    // NTFS drops trailing dots and spaces, and reads `name:stream` as a part of `name`.
    let folded = folded
        .split(':')
        .next()
        .unwrap_or_default()
        .trim_end_matches(['.', ' ']);
    matches!(folded, ".git" | "git~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &[u8], servable: bool) {
        assert_eq!(is_servable(name), servable, "{}", name.escape_ascii());
    }

    #[test]
    fn everyday_names_are_served() {
        for name in [
            "top.sls",
            "init.sls",
            ".gitignore",
            ".github",
            "git",
            "a b",
            "...",
            "ünïcode",
            "git~2",
            "-rf",
            "a:b",
        ] {
            check(name.as_bytes(), true);
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in [
            "",
            ".",
            "..",
            ".git",
            ".GIT",
            ".Git",
            "git~1",
            "GIT~1",
            ".git.",
            ".git ",
            ".git. .",
            ".git::$INDEX_ALLOCATION",
        ] {
            check(name.as_bytes(), false);
        }
        for name in [
            "a\rb",
            "a\nb",
            "a\0b",
            "a\\b",
            "a/b",
            "\u{1b}[2J",
            "a\u{7f}",
            "a\u{85}b",
            ".g\u{200c}it",
            "\u{feff}.git",
        ] {
            check(name.as_bytes(), false);
        }
        check(b"\xff.sls", false);
    }
}
