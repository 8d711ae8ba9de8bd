//! Messages for a key of GnuPG.

use std::ffi::OsString;
use std::path::PathBuf;

use data::python;
use serde_json::Value;
use sls::render::Data;

use crate::armour::Armour;
use crate::program;

/// The folder of keys where the configuration names none; Salt's.
const KEYS: &str = "/etc/salt/gpgkeys";

const ARMOUR: Armour = Armour {
    begin: "-----BEGIN PGP MESSAGE-----",
    end: "-----END PGP MESSAGE-----",
};

/// The renderer `gpg`.
#[derive(Clone, Debug)]
pub struct Gpg {
    keys: PathBuf,
    must_succeed: bool,
}

impl Gpg {
    /// With the folder of keys `gpg_keydir`. `gpg_decrypt_must_succeed: false` leaves messages as they are that cannot be opened.
    pub fn new(options: &Value) -> Gpg {
        let keys = options.get("gpg_keydir").and_then(Value::as_str);
        Gpg {
            keys: keys.unwrap_or(KEYS).into(),
            must_succeed: options
                .get("gpg_decrypt_must_succeed")
                .is_none_or(python::truthy),
        }
    }

    /// Opens all messages in texts, wherever they are.
    ///
    /// # Errors
    /// Words for people, without what is sealed.
    pub fn open(&self, data: &Data) -> Result<Data, String> {
        ARMOUR.open_all(data, &|message| self.open_one(message))
    }

    fn open_one(&self, message: &str) -> Result<String, String> {
        let mut args = vec![OsString::from("--homedir"), self.keys.clone().into()];
        args.extend(["--batch", "--no-tty", "--decrypt"].map(OsString::from));
        let given = program::run("gpg", &args, message)?
            .ok_or("GPG unavailable: there is no program gpg on this host")?;
        // As Salt has it: something that is opened counts, even if gpg has more to say, such as of a signature.
        if !given.output.is_empty() {
            return String::from_utf8(given.output)
                .map_err(|_| "a message holds bytes that are no UTF-8 text".to_owned());
        }
        let text = format!(
            "Could not decrypt a message with the keys in {}: {}",
            self.keys.display(),
            given.told
        );
        if self.must_succeed {
            return Err(text);
        }
        tracing::warn!("{text}");
        Ok(message.to_owned())
    }
}
