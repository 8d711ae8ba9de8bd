//! Choosing one of several values, as `grains.filter_by` and `pillar.filter_by` do.

use serde_json::Value;

use super::{Answer, Args, Failure};

/// Chooses by what was found on the minion; the arguments are those of `grains.filter_by`.
pub(super) fn filter_by(args: &Args, found: Option<&Value>) -> Answer {
    let lookup = args
        .value("lookup_dict")
        .as_object()
        .ok_or_else(|| Failure::invocation("lookup_dict must be a dictionary"))?;
    let (default, base) = (args.text("default")?, args.optional_text("base")?);
    data::filter_by(
        lookup,
        found,
        args.value("merge"),
        &default,
        base.as_deref(),
        |key, text| targeting::Glob::new(key).matches(text),
    )
    .map_err(|error| Failure::exception("SaltException", error.to_string()))
}
