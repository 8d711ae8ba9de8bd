//! What the arguments of `archive.extracted` say.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Extraction, Refusal, refused};
use crate::files::checksum::{self, Names};
use crate::files::owner;
use crate::functions::guessed_format;
use crate::states::file::{choose, refuse_signatures};
use crate::states::{Args, StateEnv};
use crate::{python, source};

/// Formats that can be unpacked.
const FORMATS: [&str; 3] = ["tar", "rar", "zip"];

/// Finds fault with paths, before anything else is looked at. Answers the directory, with a slash at its end.
pub(super) fn judged_name(name: &str, args: &Args) -> Result<String, Refusal> {
    refuse_signatures(args).map_err(Err)?;
    if args.flag("skip_files_list_verify") && args.flag("skip_verify") {
        return Err(refused(
            "Only one of \"skip_files_list_verify\" and \"skip_verify\" can be set to True",
        ));
    }
    if !name.starts_with('/') {
        return Err(refused(format!("{name} is not an absolute path")));
    }
    let bare = name.trim_end_matches('/');
    if Path::new(bare).is_file() {
        return Err(refused(format!("{bare} exists and is not a directory")));
    }
    for parameter in ["if_missing", "enforce_ownership_on"] {
        let value = args.value(parameter);
        if !value.is_null() && !value.as_str().is_some_and(|path| path.starts_with('/')) {
            return Err(refused(format!(
                "Value for '{parameter}' is not an absolute path"
            )));
        }
    }
    let name = format!("{bare}/");
    if let Some(path) = args.value("enforce_ownership_on").as_str()
        && !Path::new(path).starts_with(bare)
    {
        return Err(refused(format!(
            "Value for 'enforce_ownership_on' must be within {name}"
        )));
    }
    Ok(name)
}

/// Reads the other arguments, in the order in which Salt finds fault with them.
pub(super) fn read<'a>(
    name: String,
    args: &'a Args<'a>,
    env: &'a StateEnv<'a>,
) -> Result<Extraction<'a>, Refusal> {
    let (user, group) = (args.value("user"), args.value("group"));
    if owner::is_wanted(user) && owner::user_id(user).is_none() {
        return Err(refused(format!(
            "User {} does not exist",
            python::text(user)
        )));
    }
    if owner::is_wanted(group) && owner::group_id(group).is_none() {
        return Err(refused(format!(
            "Group {} does not exist",
            python::text(group)
        )));
    }
    let (source, source_hash) = choose(env, args.value("source"), args.value("source_hash"))
        .map_err(|failure| refused(failure.to_string()))?;
    if source.is_empty() {
        let source = python::text(args.value("source"));
        return Err(refused(format!("Invalid source \"{source}\"")));
    }
    let format = match args.optional_text("archive_format").map_err(Err)? {
        Some(format) if !format.is_empty() => format.to_lowercase(),
        _ => guessed_format(source::path_of(&source))
            .ok_or_else(|| {
                refused(format!(
                    "Could not guess archive_format from the value of the 'source' argument. Please set this archive_format \
                     to one of the following: {}",
                    FORMATS.join(", ")
                ))
            })?
            .to_owned(),
    };
    let source = match source::scheme(&source) {
        "" | "file" => {
            let path = source::local_path(&source);
            let path =
                fs::canonicalize(&path).map_or(path, |path| path.to_string_lossy().into_owned());
            if !Path::new(&path).is_file() {
                return Err(refused(format!("Source file '{path}' does not exist")));
            }
            path
        }
        _ => source,
    };
    if !FORMATS.contains(&format.as_str()) {
        return Err(refused(format!(
            "Invalid archive_format '{format}'. Either set it to a supported value ({}) or remove this argument and the \
             archive format will be guessed based on file extension.",
            FORMATS.join(", ")
        )));
    }
    let options = args.optional_text("options").map_err(Err)?;
    if options.is_some() && format == "rar" {
        return Err(refused(
            "The 'options' argument is only compatible with the following archive formats: tar, zip",
        ));
    }
    if args.flag("password") && format != "zip" {
        return Err(refused(
            "The 'password' argument is only supported for zip archives",
        ));
    }
    if format == "zip"
        && options.is_some()
        && !args.value("use_cmd_unzip").is_null()
        && !args.flag("use_cmd_unzip")
    {
        return Err(refused(
            "'use_cmd_unzip' cannot be set to False if CLI options are being specified (via the 'options' argument). Either \
             remove 'use_cmd_unzip', or set it to True.",
        ));
    }
    let trim = match args.value("trim_output") {
        Value::Bool(true) => Some(100),
        value if !python::truthy(value) => None,
        _ => {
            let count = args.integer("trim_output").map_err(|_| {
                refused("Invalid value for trim_output, must be True/False or an integer")
            })?;
            Some(usize::try_from(count).unwrap_or(0))
        }
    };
    let sum = match source_hash.as_str() {
        "" => None,
        hash => {
            let hash_name = args.optional_text("source_hash_name").map_err(Err)?;
            let names = Names {
                source: &source,
                hash_name: hash_name.as_deref().unwrap_or_default(),
                ..Names::default()
            };
            let sum = checksum::of_source(env.env, hash, names, &env.saltenv());
            Some(sum.map_err(|failure| refused(failure.to_string()))?)
        }
    };
    Ok(Extraction {
        args,
        env,
        name,
        source,
        format,
        options,
        sum,
        trim,
    })
}
