//! The reference page of all keys.

use std::fmt::Write as _;

use super::keys::{KEYS, Key, ROOTS_KEYS, Unset};
use super::settings::variable;
use super::{FILES_MAX, INCLUDE_DEPTH_MAX, Program};

/// The page `docs/configuration.md`.
pub fn reference_markdown() -> String {
    let mut page = format!(
        "# Configuration

Generated from the table of keys in `crates/daemon`; change it there.

A flag wins over the environment, which wins over the files, which win over the default. In the environment a key is
`BANYAN_` and its name in capitals, such as `{example}`; a list may be written with commas.

The main file is `/etc/banyan/top-master`, `/etc/banyan/syndic` or `/etc/banyan/minion` (below `root_dir`); `--config` or
`BANYAN_CONFIG` name another one. It is YAML. After it, the files of `<file>.d/*.conf` are read in lexical order, then
those that `include` names. Of two files that set a key the later one wins, as a whole. At most {FILES_MAX} files are read,
which include each other at most {INCLUDE_DEPTH_MAX} deep.

An unknown key, a bad value or a missing file is an error. All of them are reported, each as `FILE:LINE: message`, and the
program ends with code {code}.

## Keys

",
        example = variable("log_level"),
        code = crate::exit::CONFIG,
    );
    table(&mut page, KEYS, true);
    page.push_str("\n## Keys of `roots`\n\n");
    table(&mut page, ROOTS_KEYS, false);
    page
}

fn table(page: &mut String, keys: &[Key], programs: bool) {
    let (head, line) = if programs {
        (" programs |", " --- |")
    } else {
        ("", "")
    };
    let _ = writeln!(page, "| key |{head} value | default | meaning |");
    let _ = writeln!(page, "| --- |{line} --- | --- | --- |");
    for key in keys {
        let alias = key
            .alias
            .map_or(String::new(), |alias| format!(", also `{alias}`"));
        let of = match (programs, key.programs.len() == Program::ALL.len()) {
            (false, _) => String::new(),
            (true, true) => " all |".to_owned(),
            (true, false) => {
                let names: Vec<&str> = key.programs.iter().map(|p| p.as_str()).collect();
                format!(" {} |", names.join(", "))
            }
        };
        let unit = if key.unit.is_empty() {
            String::new()
        } else {
            format!(", in {}", key.unit)
        };
        let default = match key.default {
            Unset::None => String::new(),
            Unset::Value(value) => format!("`{value}`"),
            Unset::Follows(words) => words.to_owned(),
            Unset::Required => "required".to_owned(),
        };
        let _ = writeln!(
            page,
            "| `{}`{alias} |{of} {}{unit} | {default} | {} |",
            key.name, key.kind, key.help
        );
    }
}
