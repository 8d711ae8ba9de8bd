//! Sealed values in state and pillar files: the renderers `gpg` and `age`.
//!
//! Both open by a program of the host (`gpg`; `age` or `rage`), so that keys stay where their owners keep them. These are the only programs that
//! a hub starts. A call blocks until the programs have answered, and each has a time limit.

mod age;
mod armour;
mod gpg;
mod program;

use serde_json::Value;
use sls::render::{Data, Foreign, Source, Step};

pub use age::Age;
pub use gpg::Gpg;
pub use program::TIME_MAX;

/// Both renderers.
#[derive(Clone, Debug)]
pub struct Ciphers {
    gpg: Gpg,
    age: Age,
}

impl Ciphers {
    /// With the keys that the configuration names, a JSON object: `gpg_keydir`, `gpg_decrypt_must_succeed`, `age_identities`.
    pub fn new(options: &Value) -> Ciphers {
        Ciphers {
            gpg: Gpg::new(options),
            age: Age::new(options),
        }
    }
}

impl Foreign for Ciphers {
    fn render(&self, step: &Step, _: &Source<'_>, input: &Data) -> Option<Result<Data, String>> {
        match step.name.as_str() {
            "gpg" => Some(self.gpg.open(input)),
            "age" => Some(self.age.open(input)),
            _ => None,
        }
    }
}
