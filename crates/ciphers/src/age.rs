//! Messages for identities of age.

use std::ffi::OsString;

use data::python;
use serde_json::Value;
use sls::render::Data;

use crate::armour::Armour;
use crate::program::{self, Given};

/// Programs that open them; the first that there is does.
const PROGRAMS: [&str; 2] = ["age", "rage"];

const ARMOUR: Armour = Armour {
    begin: "-----BEGIN AGE ENCRYPTED FILE-----",
    end: "-----END AGE ENCRYPTED FILE-----",
};

/// The renderer `age`.
#[derive(Clone, Debug)]
pub struct Age {
    identities: Vec<String>,
}

impl Age {
    /// With the files of identities `age_identities`, one path or a list.
    pub fn new(options: &Value) -> Age {
        let identities = match options.get("age_identities") {
            Some(Value::Array(paths)) => paths.iter().map(python::text).collect(),
            Some(Value::String(path)) => vec![path.clone()],
            _ => Vec::new(),
        };
        Age { identities }
    }

    /// Opens all messages in texts, wherever they are.
    ///
    /// # Errors
    /// Words for people, without what is sealed: a message that cannot be opened is an error.
    pub fn open(&self, data: &Data) -> Result<Data, String> {
        ARMOUR.open_all(data, &|message| self.open_one(message))
    }

    fn open_one(&self, message: &str) -> Result<String, String> {
        if self.identities.is_empty() {
            return Err(
                "there is no identity to open a message with: set age_identities".to_owned(),
            );
        }
        let given = self.run(message)?;
        if !given.is_ok {
            return Err(format!(
                "Could not decrypt a message with the identities {}: {}",
                self.identities.join(", "),
                given.told
            ));
        }
        String::from_utf8(given.output)
            .map_err(|_| "a message holds bytes that are no UTF-8 text".to_owned())
    }

    fn run(&self, message: &str) -> Result<Given, String> {
        let identities = self
            .identities
            .iter()
            .flat_map(|path| ["-i", path.as_str()]);
        let args: Vec<OsString> = std::iter::once("--decrypt")
            .chain(identities)
            .map(OsString::from)
            .collect();
        // Both want a line break at the end.
        let message = format!("{message}\n");
        for name in PROGRAMS {
            if let Some(given) = program::run(name, &args, &message)? {
                return Ok(given);
            }
        }
        Err("there is no program age or rage on this host".to_owned())
    }
}
