//! `file.managed`: a file with this content, owner and mode.

use std::fs;
use std::path::Path;

use serde_json::{Map, json};

use super::gather::{self, Gathered, Trouble, Wanted};
use super::place::{self, Managed};
use super::{
    Args, Failure, Return, StateAnswer, StateEnv, StateFunction, begin, content, encoding, fail,
    foretell, missing_owners, name_of, refuse_signatures, user_of, warn,
};
use crate::call::Call;
use crate::files::change::Ignored;
use crate::files::{mode, permissions};
use crate::python;
use crate::source;

const SIGNATURE: &str = "name, source=None, source_hash='', source_hash_name=None, keep_source=True, user=None, \
     group=None, mode=None, attrs=None, template=None, makedirs=False, dir_mode=None, context=None, replace=True, \
     defaults=None, backup='', show_changes=True, create=True, contents=None, tmp_dir=None, tmp_ext='', \
     contents_pillar=None, contents_grains=None, contents_newline=True, contents_delimiter=':', encoding=None, \
     encoding_errors='strict', allow_empty=True, follow_symlinks=True, check_cmd=None, skip_verify=False, selinux=None, \
     win_owner=None, win_perms=None, win_deny_perms=None, win_inheritance=True, win_perms_reset=False, verify_ssl=True, \
     use_etag=False, signature=None, source_hash_sig=None, signed_by_any=None, signed_by_all=None, keyring=None, \
     gnupghome=None, ignore_ordering=False, ignore_whitespace=False, ignore_comment_characters=None, \
     new_file_diff=False, sig_backend='gpg', **kwargs";

pub(super) const STATE: StateFunction = StateFunction::new(
    "file.managed",
    SIGNATURE,
    "Make a file with the content of a source (salt://, http, https, file:// or a path; of a list the first that is \
     there) or of contents, contents_pillar or contents_grains, through a template when one is named, with owner, mode \
     and attributes. source_hash: the hash of a source from elsewhere, TYPE=HASH, or a file of hashes. check_cmd: a \
     command that must accept a draft of the file. Signatures and SELinux contexts are not served. The win_ parameters \
     have no meaning here.",
    managed,
);

/// The name under which `file.accumulated` notes its texts.
const ACCUMULATORS: &str = "accumulators";

fn managed(args: &Args, env: &StateEnv) -> StateAnswer {
    refuse_signatures(args)?;
    if args.flag("selinux") {
        return Err(Failure::invocation(
            "'selinux' is not served: set the context with selinux.fcontext_policy_present or a command",
        ));
    }
    let name = name_of(args)?;
    let mut answer = begin(&name);
    if args.extra_kwargs.contains_key("file_mode") {
        let text = "The 'file_mode' argument will be ignored.  Please use 'mode' instead to set file permissions.";
        warn(&mut answer, text);
    }
    let mut managed = match read(args, &name, env)? {
        Ok(managed) => managed,
        Err(comment) => return Ok(fail(answer, comment)),
    };
    let path = Path::new(&name);
    if !args.flag("create") && !path.is_file() {
        answer.comment = format!("File {name} is not present and is not set for creation");
        return Ok(answer);
    }
    if let Some(comment) = unfit(args, &name, &managed, env) {
        return Ok(fail(answer, comment));
    }
    let mut replaces = args.flag("replace")
        && (managed.contents.is_some() || python::truthy(args.value("source")));
    if replaces && managed.contents.is_none() && has_its_hash(&managed, args, env) {
        replaces = false;
    }
    if !replaces && path.exists() {
        return keep(&managed, answer, env);
    }
    if let Some(texts) = env.shared.note(ACCUMULATORS).get(&name) {
        let names = &mut managed.source.names;
        names.insert("accumulator".to_owned(), texts.clone());
    }
    if managed.contents.is_none() {
        match gather::choose(env, args.value("source"), args.value("source_hash")) {
            Ok((source, hash)) => {
                managed.source.source = source;
                managed.source.source_hash = hash;
            }
            Err(failure) => {
                return Ok(fail(answer, format!("Unable to manage file: {failure}")));
            }
        }
    }
    let gathered = match foretell::source(&managed, env) {
        Ok(gathered) => gathered,
        Err(Trouble::Comment(comment)) if env.is_test => return Ok(fail(answer, comment)),
        Err(Trouble::Comment(comment)) => {
            return Ok(fail(answer, format!("Unable to manage file: {comment}")));
        }
        Err(Trouble::Failure(failure)) => {
            return Ok(fail(answer, format!("Unable to manage file: {failure}")));
        }
    };
    if env.is_test {
        return foretold(&managed, gathered.as_ref(), answer, env);
    }
    let answer = apply(&managed, gathered, answer, args, env)?;
    if !args.flag("keep_source") {
        forget(&managed, env);
    }
    Ok(answer)
}

/// What the arguments say of the file, or why they say nothing that makes sense.
fn read(args: &Args, name: &str, env: &StateEnv) -> Result<Result<Managed, String>, Failure> {
    if name.is_empty() {
        return Ok(Err("Destination file name is required".to_owned()));
    }
    let keeps_mode = args
        .value("mode")
        .as_str()
        .is_some_and(|mode| mode.eq_ignore_ascii_case("keep"));
    let count = content::count(args);
    let has_source = python::truthy(args.value("source"));
    if has_source && count > 0 {
        let text = "'source' cannot be used in combination with 'contents', 'contents_pillar', or 'contents_grains'";
        return Ok(Err(text.to_owned()));
    }
    if keeps_mode && count > 0 {
        let text = "Mode preservation cannot be used in combination with 'contents', 'contents_pillar', or 'contents_grains'";
        return Ok(Err(text.to_owned()));
    }
    if count > 1 {
        let text = "Only one of 'contents', 'contents_pillar', and 'contents_grains' is permitted";
        return Ok(Err(text.to_owned()));
    }
    let contents = match content::held(args, env)? {
        Ok(contents) => contents,
        Err(comment) => return Ok(Err(comment)),
    };
    let template = args
        .optional_text("template")?
        .filter(|engine| !engine.is_empty());
    let contents = match (contents, &template) {
        (Some(text), Some(engine)) => match rendered(&text, engine, args, env)? {
            Ok(text) => Some(text),
            Err(comment) => return Ok(Err(comment)),
        },
        (contents, _) => contents,
    };
    let contents = match contents {
        Some(text) => {
            let name = args.optional_text("encoding")?;
            let errors = args.text("encoding_errors")?;
            match encoding::encode(
                &text,
                name.as_deref().filter(|name| !name.is_empty()),
                &errors,
            ) {
                Ok(bytes) => Some(bytes),
                Err(failure) => return Ok(Err(format!("Unable to manage file: {failure}"))),
            }
        }
        None => None,
    };
    let permissions = permissions::Wanted {
        user: user_of(args),
        group: args.value("group").clone(),
        mode: mode::normalized(args.value("mode")).filter(|_| !keeps_mode),
        attrs: args.optional_text("attrs")?,
    };
    let mut names = Map::new();
    for (name, value) in [
        ("user", &permissions.user),
        ("group", &permissions.group),
        ("mode", &json!(permissions.mode)),
        ("attrs", &json!(permissions.attrs)),
    ] {
        names.insert(name.to_owned(), value.clone());
    }
    names.extend(args.extra_kwargs.clone());
    names.extend(content::context_of(
        args.value("defaults"),
        args.value("context"),
    ));
    Ok(Ok(Managed {
        source: Wanted {
            name: name.to_owned(),
            source_hash_name: args.optional_text("source_hash_name")?.unwrap_or_default(),
            is_unverified: args.flag("skip_verify"),
            is_always_fetched: args.flag("use_etag"),
            accepts_any_certificate: !args.flag("verify_ssl"),
            template,
            names,
            ..Wanted::default()
        },
        contents,
        permissions,
        keeps_mode,
        makedirs: args.flag("makedirs"),
        dir_mode: args.value("dir_mode").clone(),
        backup: place::backup_mode(args.value("backup"), env),
        shows_changes: args.flag("show_changes"),
        shows_new_file: args.flag("new_file_diff"),
        follows: args.flag("follow_symlinks"),
        ignored: Ignored::new(
            args.value("ignore_ordering"),
            args.value("ignore_whitespace"),
            args.value("ignore_comment_characters"),
        ),
    }))
}

fn rendered(
    text: &str,
    engine: &str,
    args: &Args,
    env: &StateEnv,
) -> Result<Result<String, String>, Failure> {
    if let Err(comment) = content::check_engine(engine) {
        return Ok(Err(comment));
    }
    let names = content::context_of(args.value("defaults"), args.value("context"));
    let made = env.template(engine, &env.saltenv(), "", text.as_bytes(), names);
    Ok(made.map_err(|failure| failure.to_string()))
}

/// Why the file cannot be managed, whatever its content.
fn unfit(args: &Args, name: &str, managed: &Managed, env: &StateEnv) -> Option<String> {
    let missing = missing_owners(&managed.permissions.user, &managed.permissions.group, env);
    if !missing.is_empty() {
        return Some(missing);
    }
    if !name.starts_with('/') {
        return Some(format!("Specified file {name} is not an absolute path"));
    }
    if Path::new(name).is_dir() {
        return Some(format!("Specified target {name} is a directory"));
    }
    let is_map = |name: &str| args.value(name).is_null() || args.value(name).is_object();
    if !is_map("context") {
        return Some("Context must be formed as a dict".to_owned());
    }
    if !is_map("defaults") && args.flag("defaults") {
        return Some("Defaults must be formed as a dict".to_owned());
    }
    None
}

/// Whether the file is there with the hash that is stated for a source from elsewhere: nothing need be fetched then.
fn has_its_hash(managed: &Managed, args: &Args, env: &StateEnv) -> bool {
    let path = Path::new(managed.name());
    if managed.source.template.is_some() || managed.source.is_unverified || !path.exists() {
        return false;
    }
    let Ok((source, hash)) = gather::choose(env, args.value("source"), args.value("source_hash"))
    else {
        return false;
    };
    if hash.is_empty() || matches!(source::scheme(&source), "" | "salt" | "file") {
        return false;
    }
    let wanted = Wanted {
        source,
        source_hash: hash,
        ..managed.source.clone()
    };
    let stated = gather::stated_hash(&wanted, env);
    stated.is_ok_and(|stated| {
        let found = gather::Bytes::At(path.to_owned()).sum(&stated.kind);
        found.is_ok_and(|found| found == stated)
    })
}

/// The content stays; owner and mode are made right.
fn keep(managed: &Managed, mut answer: Return, env: &StateEnv) -> StateAnswer {
    let name = managed.name();
    let wanted = &managed.permissions;
    let path = Path::new(name);
    let before = permissions::settle(
        path,
        &mut answer,
        wanted,
        managed.follows,
        env.is_test,
        env.env,
    )?;
    if env.is_test {
        answer.comment = match &wanted.mode {
            Some(mode) if *mode != before => format!(
                "File {name} will be updated with permissions {mode} from its current state of {before}"
            ),
            _ => format!("File {name} not updated"),
        };
    } else if answer.changes.is_empty() && answer.result == Some(true) {
        answer.comment = format!("File {name} exists with proper permissions. No changes made.");
    }
    Ok(answer)
}

fn foretold(
    managed: &Managed,
    gathered: Option<&Gathered>,
    mut answer: Return,
    env: &StateEnv,
) -> StateAnswer {
    let name = managed.name();
    let foretold = match foretell::changes(managed, gathered, env) {
        Ok(foretold) => foretold,
        Err(failure) => return Ok(fail(answer, format!("Unable to manage file: {failure}"))),
    };
    answer.changes = foretold.changes;
    if answer.changes.is_empty() {
        answer.comment = format!("The file {name} is in the correct state");
        return Ok(answer);
    }
    answer.result = None;
    answer.comment = format!(
        "The file {name} is set to be changed\nNote: No changes made, actual changes may\nbe different due to other states."
    );
    if answer.changes.contains_key("diff") && !managed.shows_changes {
        let hidden = json!("<show_changes=False>");
        answer.changes.insert("diff".to_owned(), hidden);
    }
    if managed.ignored.is_any() && !foretold.is_significant {
        answer.others.insert("skip_req".to_owned(), json!(true));
    }
    Ok(answer)
}

fn apply(
    managed: &Managed,
    gathered: Option<Gathered>,
    answer: Return,
    args: &Args,
    env: &StateEnv,
) -> StateAnswer {
    let mut gathered = gathered;
    if let Some(command) = args
        .optional_text("check_cmd")?
        .filter(|command| !command.is_empty())
    {
        let suffix = args.text("tmp_ext")?;
        let directory = args.optional_text("tmp_dir")?;
        match checked(
            managed,
            gathered.as_ref(),
            &command,
            (directory.as_deref(), &suffix),
            env,
        ) {
            Ok(Ok(Some(made))) => gathered = Some(made),
            Ok(Ok(None)) => {}
            Ok(Err(refused)) => {
                return Ok(Return {
                    name: answer.name,
                    ..refused
                });
            }
            Err(failure) => {
                let comment = format!("Unable to check_cmd file: {failure}");
                return Ok(fail(answer, comment));
            }
        }
    }
    let begun = begin(managed.name());
    let others = answer.others.clone();
    Ok(managed
        .apply(gathered.as_ref(), answer, env)
        .unwrap_or_else(|failure| Return {
            others,
            ..fail(begun, format!("Unable to manage file: {failure}"))
        }))
}

/// Makes a draft of the file and lets a command judge it. What the draft holds is what the file shall get.
fn checked(
    managed: &Managed,
    gathered: Option<&Gathered>,
    command: &str,
    (directory, suffix): (Option<&str>, &str),
    env: &StateEnv,
) -> Result<Result<Option<Gathered>, Return>, Failure> {
    let draft = place::draft(directory, suffix)?;
    let path = Path::new(managed.name());
    if path.is_file() {
        let copy = Call::new("file.copy")
            .arg(managed.name())
            .arg(draft.to_string_lossy().as_ref());
        env.call(&copy)?;
    }
    let name = draft.to_string_lossy().into_owned();
    let drafted = managed.at(&name).apply(gathered, begin(&name), env)?;
    if drafted.changes.is_empty() {
        return Ok(Ok(None));
    }
    if let Some(refused) = judged(command, &name, env)? {
        return Ok(Err(refused));
    }
    let made = fs::read(&draft).map_err(|error| Failure::io(&draft, error))?;
    let bytes = gather::Bytes::Made(made);
    let sum = Some(bytes.sum(gather::USUAL_KIND)?);
    Ok(Ok(Some(Gathered { bytes, sum })))
}

/// Lets a command judge a file; the refusal is a failed state.
pub(super) fn judged(command: &str, path: &str, env: &StateEnv) -> Result<Option<Return>, Failure> {
    let mut call = Call::new("cmd.run_all").arg(format!("{command} {path}"));
    if let Some(shell) = env.env.ctx.grains().get("shell") {
        call = call.kwarg("shell", shell.clone());
    }
    let ended = env.call(&call)?;
    if ended["retcode"] == json!(0) {
        return Ok(None);
    }
    let mut refused = super::returned(false, "check_cmd execution failed");
    for stream in ["stdout", "stderr"] {
        match ended[stream].as_str() {
            Some(text) if !text.is_empty() => refused.comment += &format!("\n{text}"),
            _ => {}
        }
    }
    refused.others.insert("skip_watch".to_owned(), json!(true));
    Ok(Some(refused))
}

/// Removes the copy of a source from the cache. A file of this host is no copy.
fn forget(managed: &Managed, env: &StateEnv) {
    let source = managed.source.source.as_str();
    if matches!(source::scheme(source), "" | "file") {
        return;
    }
    if let Some(copy) = source::cached(env.env.ctx, source, Some(&env.saltenv()))
        && let Err(error) = fs::remove_file(&copy)
    {
        tracing::warn!(copy = %copy.display(), %error, "a copy of a source was not removed");
    }
}
