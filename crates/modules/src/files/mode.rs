//! Modes of files as operators write them and as Salt shows them: octal digits, at least four.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use crate::python;

/// What a process may set when the system does not say what it has.
const USUAL_UMASK: u32 = 0o022;

/// A mode as Salt compares it: `644`, `0644` and `0o644` are all `0644`. None stays none.
pub(crate) fn normalized(mode: &Value) -> Option<String> {
    if mode.is_null() {
        return None;
    }
    let text = python::text(mode).replace("0o", "0");
    let digits = text
        .trim_matches('"')
        .trim_matches('\'')
        .trim_start_matches('0');
    Some(format!("{digits:0>4}"))
}

/// The permission bits of a mode; `None` when it is no octal number of them.
pub(crate) fn bits(mode: &str) -> Option<u32> {
    u32::from_str_radix(mode, 8)
        .ok()
        .filter(|bits| *bits <= 0o7777)
}

/// The mode of a file.
pub(crate) fn of(metadata: &Metadata) -> String {
    shown(metadata.mode())
}

/// Permission bits in Salt's form.
pub(crate) fn shown(bits: u32) -> String {
    format!("{:04o}", bits & 0o7777)
}

/// The mode for directories that are made above a file of this mode: who may do anything with the file may enter them.
pub(crate) fn with_search(mode: &str) -> String {
    let digits: Vec<char> = mode.chars().collect();
    let last = &digits[digits.len().saturating_sub(3)..];
    last.iter()
        .map(|digit| match digit.to_digit(8) {
            Some(bits) if bits > 0 => char::from_digit(bits | 1, 8).unwrap_or(*digit),
            _ => *digit,
        })
        .collect()
}

/// The mask of this thread. Asking the kernel for it would set it, so it is read.
pub(crate) fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok())
        .unwrap_or(USUAL_UMASK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn modes_have_one_form() {
        let check = |mode: Value, expected: &str| {
            assert_eq!(normalized(&mode).as_deref(), Some(expected), "{mode}");
        };
        check(json!(644), "0644");
        check(json!("0644"), "0644");
        check(json!("'00644'"), "0644");
        check(json!("0o644"), "0644");
        check(json!("1777"), "1777");
        check(json!(0), "0000");
        assert_eq!(normalized(&Value::Null), None);
        assert_eq!(bits("0644"), Some(0o644));
        assert_eq!(bits("0999"), None);
        assert_eq!(with_search("0644"), "755");
        assert_eq!(with_search("0600"), "700");
        assert_eq!(with_search("2640"), "750");
        assert!(umask() <= 0o777);
    }
}
