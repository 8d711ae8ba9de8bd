//! Keys of repositories: files below `/etc/apt/keyrings`, or apt-key's ring where that program still is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use super::Sources;
use crate::call::Call;
use crate::failure::Failure;
use crate::packages::Options;
use crate::python;
use crate::tools::Way;

const KEYRINGS: &str = "/etc/apt/keyrings";

/// The first bytes of an armored key.
const ARMOR: &str = "-----BEGIN PGP";

impl Sources<'_> {
    /// Whether keys go to apt-key.
    pub(super) fn uses_apt_key(&self, options: &Options) -> bool {
        let is_wanted = !options.has("aptkey") || options.flag("aptkey");
        is_wanted && self.tools.which("apt-key").is_some()
    }

    /// The local path of a key.
    fn fetch_key(&self, source: &str, options: &Options) -> Result<PathBuf, Failure> {
        let mut call = Call::new("cp.cache_file").arg(source);
        if let Some(saltenv) = options.text("saltenv") {
            call = call.arg(saltenv);
        }
        match self.env.call(&call)?.value {
            Value::String(path) if !path.is_empty() => Ok(PathBuf::from(path)),
            _ => Err(Failure::command(format!("Error: file not found: {source}"))),
        }
    }

    /// Writes a key to a file, in the form that its name tells: armored for `.asc`, else binary.
    fn write_key(&self, key: &[u8], target: &Path) -> Result<(), Failure> {
        let is_armored = target
            .extension()
            .is_some_and(|extension| extension == "asc");
        let key = if is_armored {
            key.to_vec()
        } else {
            binary(key)?
        };
        let target = self.tools.path(&target.to_string_lossy());
        let failed = |error| Failure::io(&target, error);
        if let Some(directory) = target.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        fs::write(&target, key).map_err(failed)?;
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).map_err(failed)
    }

    /// Adds the keys that the options of a repository name. `signed_by` is the file that the repository names.
    pub(super) fn add_keys_of(&self, signed_by: &str, options: &Options) -> Result<(), Failure> {
        let named = Path::new(signed_by);
        if options.has("keyid") {
            let Some(keyserver) = options.text("keyserver") else {
                return Err(Failure::command(
                    "both keyserver and keyid options required.",
                ));
            };
            for keyid in key_numbers(options) {
                self.receive(&keyid, &keyserver, named, options)?;
            }
        } else if let Some(source) = options.text("key_url") {
            let path = self.fetch_key(&source, options)?;
            if self.uses_apt_key(options) {
                self.apt_key_add(
                    &["apt-key", "add", &path.to_string_lossy()],
                    None,
                    &format!("from {source}"),
                )?;
            } else {
                let key = fs::read(&path).map_err(|error| Failure::io(&path, error))?;
                let name = path.file_name().unwrap_or_default();
                let target = if signed_by.is_empty() {
                    Path::new(KEYRINGS).join(name)
                } else {
                    named.to_path_buf()
                };
                self.write_key(&key, &target)?;
            }
        } else if let Some(text) = options.text("key_text") {
            if self.uses_apt_key(options) {
                self.apt_key_add(
                    &["apt-key", "add", "-"],
                    Some(text.clone()),
                    &format!(":\n{text}"),
                )?;
            } else if signed_by.is_empty() {
                return Err(Failure::invocation(
                    "key_text: the repository has to name the file of the key by signed-by",
                ));
            } else {
                self.write_key(text.as_bytes(), named)?;
            }
        }
        Ok(())
    }

    fn apt_key_add(&self, argv: &[&str], stdin: Option<String>, what: &str) -> Result<(), Failure> {
        let way = Way {
            stdin,
            ..Way::default()
        };
        let finished = self.tools.run(argv, &way)?;
        if finished
            .stdout
            .trim_start()
            .to_uppercase()
            .starts_with("OK")
        {
            return Ok(());
        }
        Err(Failure::command(format!("Error: failed to add key {what}")))
    }

    fn receive(
        &self,
        keyid: &str,
        keyserver: &str,
        named: &Path,
        options: &Options,
    ) -> Result<(), Failure> {
        if self.uses_apt_key(options) {
            if self
                .tools
                .output(&["apt-key", "export", keyid])?
                .starts_with(ARMOR)
            {
                return Ok(());
            }
            let argv = [
                "apt-key",
                "adv",
                "--batch",
                "--keyserver",
                keyserver,
                "--logger-fd",
                "1",
                "--recv-keys",
                keyid,
            ];
            let finished = self.tools.run(&argv, &Way::default())?;
            if finished.retcode != 0 {
                return Err(Failure::command(format!(
                    "Error: key retrieval failed: {}",
                    finished.stdout
                )));
            }
            return Ok(());
        }
        if named.as_os_str().is_empty() {
            return Err(Failure::command(format!(
                "Error: Could not add key: {keyid}: the repository names no file by signed-by"
            )));
        }
        // A ring of its own: apt reads no keybox, which is what gpg would make of a new file.
        let home = tempfile::tempdir().map_err(|error| Failure::io(std::env::temp_dir(), error))?;
        let directory = home.path().to_string_lossy();
        let gpg = ["gpg", "--batch", "--no-tty", "--homedir", &directory];
        let receive = [&gpg[..], &["--keyserver", keyserver, "--recv-keys", keyid]].concat();
        let finished = self.tools.run(&receive, &Way::default())?;
        if finished.retcode != 0 {
            return Err(Failure::command(format!(
                "Error: Could not add key: {keyid}: {}",
                finished.stderr
            )));
        }
        let armored = self
            .tools
            .output(&[&gpg[..], &["--armor", "--export", keyid]].concat())?;
        self.write_key(armored.as_bytes(), named)
    }

    pub(super) fn add_one_key(&self, options: &Options) -> Result<bool, Failure> {
        let directory = PathBuf::from(
            options
                .text("keydir")
                .unwrap_or_else(|| KEYRINGS.to_owned()),
        );
        let uses_apt_key = self.uses_apt_key(options);
        let file = options.text("keyfile").map(|file| directory.join(file));
        if let Some(path) = options.text("path") {
            let local = self.fetch_key(&path, options)?;
            if uses_apt_key {
                return Ok(self
                    .tools
                    .run(
                        &["apt-key", "add", &local.to_string_lossy()],
                        &Way::default(),
                    )?
                    .retcode
                    == 0);
            }
            let key = fs::read(&local).map_err(|error| Failure::io(&local, error))?;
            let target =
                file.unwrap_or_else(|| directory.join(local.file_name().unwrap_or_default()));
            self.write_key(&key, &target)?;
            return Ok(true);
        }
        if let Some(text) = options.text("text") {
            if uses_apt_key {
                let way = Way {
                    stdin: Some(text),
                    ..Way::default()
                };
                return Ok(self.tools.run(&["apt-key", "add", "-"], &way)?.retcode == 0);
            }
            let target = file
                .ok_or_else(|| Failure::invocation("keyfile: the name of the file of the key"))?;
            self.write_key(text.as_bytes(), &target)?;
            return Ok(true);
        }
        match (options.text("keyserver"), options.text("keyid")) {
            (Some(keyserver), Some(keyid)) => {
                self.receive(&keyid, &keyserver, &file.unwrap_or_default(), options)?;
                Ok(true)
            }
            (Some(keyserver), None) => Err(Failure::invocation(format!(
                "No keyid or keyid too short for keyserver: {keyserver}"
            ))),
            (None, Some(keyid)) => Err(Failure::invocation(format!(
                "No keyserver specified for keyid: {keyid}"
            ))),
            (None, None) => Err(Failure::invocation(
                "add_repo_key() takes at least 1 argument (0 given)",
            )),
        }
    }

    /// The key files of a directory, with what gpg tells of each.
    fn ring(&self, options: &Options) -> Result<Vec<(PathBuf, String)>, Failure> {
        let directory = self.tools.path(
            &options
                .text("keydir")
                .unwrap_or_else(|| KEYRINGS.to_owned()),
        );
        let mut files: Vec<PathBuf> = fs::read_dir(directory)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        files.sort();
        files
            .into_iter()
            .map(|file| {
                let argv = [
                    "gpg",
                    "--batch",
                    "--no-tty",
                    "--show-keys",
                    "--with-colons",
                    &file.to_string_lossy(),
                ];
                let told = self.tools.output(&argv)?;
                Ok((file, told))
            })
            .collect()
    }

    pub(super) fn all_keys(&self, options: &Options) -> Result<Map<String, Value>, Failure> {
        if self.uses_apt_key(options) {
            let argv = [
                "apt-key",
                "adv",
                "--batch",
                "--list-public-keys",
                "--with-fingerprint",
                "--with-colons",
                "--fixed-list-mode",
            ];
            return Ok(keys(&self.tools.output(&argv)?));
        }
        Ok(self
            .ring(options)?
            .iter()
            .flat_map(|(_, told)| keys(told))
            .collect())
    }

    pub(super) fn remove_key(&self, options: &Options) -> Result<Option<String>, Failure> {
        if options.flag("keyid_ppa") {
            return Err(Failure::invocation(
                "keyid_ppa: the key of a PPA is not looked up; name it by keyid",
            ));
        }
        let Some(keyid) = options.text("keyid") else {
            return Err(Failure::invocation(
                "keyid or keyid_ppa and PPA name must be passed",
            ));
        };
        if self.uses_apt_key(options) {
            let finished = self
                .tools
                .run(&["apt-key", "del", &keyid], &Way::default())?;
            if finished.retcode != 0 {
                return Err(Failure::command(format!(
                    "Failed to remove keyid {keyid}: {}",
                    finished.stderr
                )));
            }
            return Ok(Some(keyid));
        }
        for (file, told) in self.ring(options)? {
            if keys(&told).keys().any(|known| known.ends_with(&keyid)) {
                fs::remove_file(&file).map_err(|error| Failure::io(&file, error))?;
                return Ok(Some(keyid));
            }
        }
        Ok(None)
    }
}

/// Numbers of keys; YAML makes whole numbers of some.
fn key_numbers(options: &Options) -> Vec<String> {
    let number = |value: &Value| match value.as_u64() {
        Some(number) => format!("{number:#x}"),
        None => python::text(value),
    };
    match options.value("keyid") {
        Value::Array(items) => items.iter().map(number).collect(),
        one => vec![number(one)],
    }
}

/// The bytes of a key that may be armored.
fn binary(key: &[u8]) -> Result<Vec<u8>, Failure> {
    let Some(text) = std::str::from_utf8(key)
        .ok()
        .filter(|text| text.contains(ARMOR))
    else {
        return Ok(key.to_vec());
    };
    let (mut bytes, mut block, mut is_body) = (Vec::new(), String::new(), false);
    for line in text.lines().map(str::trim) {
        if line.starts_with(ARMOR) {
            block.clear();
            is_body = false;
        } else if line.starts_with("-----END PGP") {
            let decoded = BASE64.decode(block.as_bytes());
            bytes.extend(decoded.map_err(|error| {
                Failure::command(format!("the key is no OpenPGP armor: {error}"))
            })?);
            is_body = false;
        } else if line.is_empty() {
            is_body = true;
        } else if is_body && !line.starts_with('=') {
            block.push_str(line);
        }
    }
    Ok(bytes)
}

/// Reads the colons of gpg: keys by number.
fn keys(told: &str) -> Map<String, Value> {
    let mut found: Vec<Map<String, Value>> = Vec::new();
    for line in told.lines() {
        let fields: Vec<&str> = line.split(':').map(str::trim).collect();
        let field = |at: usize| match fields.get(at).copied().unwrap_or_default() {
            "" => Value::Null,
            text => text
                .parse::<i64>()
                .map_or_else(|_| json!(text), |number| json!(number)),
        };
        match fields.first().copied() {
            Some(kind @ ("pub" | "sub")) => {
                let key = json!({
                    "algorithm": field(3), "bits": field(2), "capability": field(11), "date_creation": field(5),
                    "date_expiration": field(6), "keyid": fields.get(4), "validity": field(1),
                });
                match found.last_mut() {
                    Some(last) if kind == "sub" => drop(last.insert("subkey".to_owned(), key)),
                    _ => found.extend(key.as_object().cloned()),
                }
            }
            Some("fpr") => {
                if let Some(last) = found.last_mut() {
                    match last.get_mut("subkey") {
                        Some(subkey) => subkey["fingerprint"] = field(9),
                        None => drop(last.insert("fingerprint".to_owned(), field(9))),
                    }
                }
            }
            Some("uid") => {
                if let Some(last) = found.last_mut() {
                    last.insert("uid".to_owned(), field(9));
                    last.insert("uid_hash".to_owned(), field(7));
                }
            }
            _ => {}
        }
    }
    found
        .into_iter()
        .map(|key| (python::text(&key["keyid"]), Value::Object(key)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armor_is_taken_off() {
        let armored = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\naGVs\nbG8=\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(binary(armored).unwrap(), b"hello");
        assert_eq!(binary(b"\x99\x01raw").unwrap(), b"\x99\x01raw");
        assert!(binary(b"-----BEGIN PGP X-----\n\n!!\n-----END PGP X-----").is_err());
    }

    #[test]
    fn keys_are_read() {
        let told = "pub:-:4096:1:73A4F27B8DD47936:1550346735:1802634735::-:::scSC:\nfpr:::::::::6D33866EDD8FFA41C0143AEDDCC9EFBF77E11517:\n\
            uid:-::::1550346735::HASH::Debian:\nsub:-:4096:1:1234:1550346735::::::e:\nfpr:::::::::ABCD:\n";
        let keys = keys(told);
        let key = &keys["73A4F27B8DD47936"];
        assert_eq!(
            (&key["bits"], &key["uid"], &key["subkey"]["fingerprint"]),
            (&json!(4096), &json!("Debian"), &json!("ABCD"))
        );
        assert_eq!(
            key["fingerprint"],
            json!("6D33866EDD8FFA41C0143AEDDCC9EFBF77E11517")
        );
    }
}
