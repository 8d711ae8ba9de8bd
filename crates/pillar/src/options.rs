//! What of the configuration decides about a pillar.

use data::{Strategy, python};
use serde_json::{Value, json};

use crate::Request;

const DEFAULT_PIPELINE: &str = "jinja|yaml";
const DEFAULT_TOP: &str = "top.sls";
/// The strategy that takes one environment only.
const ONE_ENVIRONMENT: &str = "none";

/// Settings under their meaning.
pub(crate) struct Options {
    pub(crate) strategy: Strategy,
    pub(crate) merge_lists: bool,
    /// Whether what is included counts more than the file that includes it.
    pub(crate) do_includes_override: bool,
    /// Whether the minion is kept from the details of errors.
    pub(crate) hides_details: bool,
    pub(crate) env_order: Vec<String>,
    pub(crate) pillarenv: Option<String>,
    /// The only environment whose top file is read.
    pub(crate) top_env: Option<String>,
    pub(crate) is_external_first: bool,
    /// Whether the configuration itself is a value, `master`.
    pub(crate) has_master: bool,
    pub(crate) pipeline: String,
    pub(crate) top: String,
    /// The whole configuration, as templates see it.
    pub(crate) all: Value,
}

impl Options {
    pub(crate) fn of(request: &Request<'_>) -> Options {
        let said = request.options;
        let word = |key: &str| {
            let text = said.get(key).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let flag = |key: &str, default: bool| said.get(key).map_or(default, python::truthy);
        let saltenv = request
            .saltenv
            .map(str::to_owned)
            .or_else(|| word("saltenv"));
        let follows = flag("pillarenv_from_saltenv", false);
        let pillarenv = word("pillarenv").or_else(|| saltenv.clone().filter(|_| follows));
        let strategy = word("pillar_source_merging_strategy").unwrap_or_else(|| "smart".to_owned());
        let pipeline = word("renderer").unwrap_or_else(|| DEFAULT_PIPELINE.to_owned());
        let top_env = pillarenv.clone().or_else(|| {
            let only = saltenv.clone().unwrap_or_else(|| "base".to_owned());
            (strategy == ONE_ENVIRONMENT).then_some(only)
        });
        let state_top = word("state_top").unwrap_or_else(|| DEFAULT_TOP.to_owned());
        let top = state_top
            .trim_start_matches("salt://")
            .trim_start_matches('/');
        let order = said.get("env_order").and_then(Value::as_array);
        let mut all = match said {
            Value::Object(_) => said.clone(),
            _ => json!({}),
        };
        all["id"] = json!(request.id);
        all["minion_id"] = json!(request.id);
        all["saltenv"] = json!(saltenv);
        all["pillarenv"] = json!(pillarenv);
        all["file_client"] = json!("local");
        all["grains"] = request.grains.clone();
        Options {
            strategy: Strategy::of(&strategy, &pipeline),
            merge_lists: flag("pillar_merge_lists", false),
            do_includes_override: flag("pillar_includes_override_sls", false),
            hides_details: flag("pillar_safe_render_error", true),
            env_order: order.into_iter().flatten().map(python::text).collect(),
            pillarenv,
            top_env,
            is_external_first: flag("ext_pillar_first", false),
            has_master: flag("pillar_opts", false),
            pipeline,
            top: top.to_owned(),
            all,
        }
    }
}
