//! Package files that are named instead of packages of repositories.

use std::path::Path;

use serde_json::Value;

use super::Wanted;
use crate::call::Call;
use crate::failure::Failure;
use crate::registry::Env;

/// What comes before the path of a source that has to be fetched.
const PROTOCOLS: [&str; 7] = [
    "salt://", "http://", "https://", "ftp://", "s3://", "swift://", "file://",
];

/// The local paths of sources, which are fetched.
pub(crate) fn fetched(
    sources: &Wanted,
    saltenv: Option<&str>,
    env: &Env,
) -> Result<Vec<String>, Failure> {
    let mut files = Vec::new();
    for (name, source) in &sources.0 {
        let source = source.as_deref().unwrap_or_default();
        if PROTOCOLS
            .iter()
            .any(|protocol| source.starts_with(protocol))
        {
            let mut call = Call::new("cp.cache_file").arg(source);
            if let Some(saltenv) = saltenv {
                call = call.arg(saltenv);
            }
            match env.call(&call)?.value {
                Value::String(path) if !path.is_empty() => files.push(path),
                _ => {
                    return Err(Failure::command(format!(
                        "Unable to cache source {source} for package {name}"
                    )));
                }
            }
        } else if Path::new(source).is_absolute() {
            files.push(source.to_owned());
        } else {
            return Err(Failure::invocation(format!(
                "Path {source} for package {name} is either not absolute or an invalid protocol"
            )));
        }
    }
    Ok(files)
}
