//! The wheel module `config`.

use serde_json::Value;

use super::call::{Answered, Call};
use super::{Runner, runner};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("config.values", "", values,
        "The settings of this hub as they are in force. Secrets are stars: whatever has pass, secret, token or key material in its name, and what stands \
         before the @ of an address."),
];

pub(super) async fn values(call: Call<'_>) -> Answered {
    Ok(Value::Object(call.service.runners.settings.clone()).into())
}
