//! No product has the planted bugs: only the relay and the simulation know the feature, and neither has it by default.

use std::path::Path;

#[test]
fn no_program_has_planted_bugs() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut looked_at = 0;
    for folder in std::fs::read_dir(crates).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        let Ok(manifest) = std::fs::read_to_string(folder.path().join("Cargo.toml")) else {
            continue;
        };
        looked_at += 1;
        let knows = manifest.contains("planted");
        assert_eq!(knows, ["relay", "sim"].contains(&name.as_str()), "{name}");
        assert!(
            !manifest.contains("default = "),
            "{name} has default features"
        );
    }
    assert!(looked_at > 10, "{looked_at} manifests");
}
