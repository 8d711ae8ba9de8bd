//! Hashes of sources, and differences of files.

use std::fs;

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function, path};
use crate::files::change::{self, Ignored};
use crate::files::checksum::{self, Names, Sum};
use crate::python;
use crate::source;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "file.extract_hash",
        "hash_fn, hash_type='sha256', file_name='', source='', source_hash_name=None",
        "The hash that a file of hashes has for a file: by source_hash_name, by the last part of file_name, or of source; \
         the first of all without a match. Empty when it has none.",
        "file.extract_hash /path/to/hash/file sha512 /etc/foo",
        |args, _| {
            let file = path(args, "hash_fn")?;
            let text = fs::read(&file).map_err(|error| Failure::io(&file, error))?;
            let given = Given::read(args)?;
            let kind = args.text("hash_type")?;
            let found = checksum::find(&String::from_utf8_lossy(&text), &kind, given.names());
            Ok(found.map_or(Value::Null, |sum| shown(&sum)))
        },
    ),
    Function::new(
        "file.get_diff",
        "file1, file2, saltenv='base', show_filenames=True, show_changes=True, template=False, source_hash_file1=None, \
         source_hash_file2=None, ignore_ordering=False, ignore_whitespace=False, ignore_comment_characters=None",
        "The difference of two files, each a path or a URL; empty when there is none. With one of the ignore_ parameters a \
         list: whether anything else differs, and the difference.",
        "file.get_diff /home/fred/.vimrc salt://users/fred/.vimrc",
        difference,
    ),
    Function::new(
        "file.get_source_sum",
        "file_name='', source='', source_hash=None, source_hash_name=None, saltenv='base', verify_ssl=True, \
         source_hash_sig=None, signed_by_any=None, signed_by_all=None, keyring=None, gnupghome=None, sig_backend='gpg'",
        "The hash that source_hash of a state means: a hash, TYPE=HASH, or a path or URL of a file of hashes. Signatures are \
         not served.",
        "file.get_source_sum /tmp/foo.tar.gz source=http://mydomain.tld/foo.tar.gz source_hash=499ae16dcae71eeb7c3a30c75ea7a1a6",
        |args, env| {
            if args.flag("source_hash_sig") {
                return Err(Failure::invocation(
                    "'source_hash_sig' is not served: signatures are not verified here",
                ));
            }
            let given = Given::read(args)?;
            let saltenv = args.text("saltenv")?;
            let hash = args.text("source_hash")?;
            Ok(shown(&checksum::of_source(
                env,
                &hash,
                given.names(),
                &saltenv,
            )?))
        },
    ),
];

/// What a hash is looked for by.
struct Given {
    file_name: String,
    source: String,
    hash_name: String,
}

impl Given {
    fn read(args: &Args) -> Result<Given, Failure> {
        Ok(Given {
            file_name: args.text("file_name")?,
            source: args.text("source")?,
            hash_name: args.optional_text("source_hash_name")?.unwrap_or_default(),
        })
    }

    fn names(&self) -> Names<'_> {
        Names {
            file_name: &self.file_name,
            source: &self.source,
            hash_name: &self.hash_name,
        }
    }
}

fn shown(sum: &Sum) -> Value {
    json!({"hash_type": sum.kind, "hsum": sum.digits})
}

fn difference(args: &Args, env: &Env) -> Answer {
    let saltenv = args.text("saltenv")?;
    let mut paths = Vec::new();
    let mut missing = Vec::new();
    for name in ["file1", "file2"] {
        let file = args.text(name)?;
        match source::fetch(env.ctx, &file, Some(&saltenv)) {
            Ok(path) => paths.push(path),
            Err(_) => missing.push(format!("- File {file} not found")),
        }
    }
    let [old, new] = paths.as_slice() else {
        return Err(Failure::command(format!(
            "Failed to cache one or more files. Additional info follows:\n\n{}",
            missing.join("\n")
        )));
    };
    let ignored = Ignored::new(
        args.value("ignore_ordering"),
        args.value("ignore_whitespace"),
        args.value("ignore_comment_characters"),
    );
    let names = match args.flag("show_filenames") {
        true => (old.to_string_lossy(), new.to_string_lossy()),
        false => ("".into(), "".into()),
    };
    let diff = if Sum::of_file("sha256", old)? == Sum::of_file("sha256", new)? {
        String::new()
    } else {
        let names = (&*names.0, &*names.1);
        change::of(&change::read(old)?, &change::read(new)?, names)
    };
    let is_obfuscated = || {
        let said = env.ctx.config("obfuscate_templates");
        args.flag("template") && said.is_some_and(|said| python::truthy(&said))
    };
    let is_significant = ignored.leaves_any(&diff);
    let text = if diff.is_empty() {
        diff
    } else if is_obfuscated() {
        "<Obfuscated Template>".to_owned()
    } else if args.flag("show_changes") {
        diff
    } else {
        "<show_changes=False>".to_owned()
    };
    Ok(match ignored.is_any() {
        true => json!([is_significant, text]),
        false => json!(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn sums_and_differences_are_told() {
        let host = Host::new();
        let (a, b) = (
            host.write("a", "one\ntwo\n"),
            host.write("roots/base/b", "two\none\n"),
        );
        let diff = Call::new("file.get_diff").arg(a.as_str()).arg("salt://b");
        let plain = host.call(diff.clone().kwarg("show_filenames", false)).value;
        assert_eq!(
            plain,
            json!("--- \n+++ \n@@ -1,2 +1,2 @@\n+two\n one\n-two\n")
        );
        let named = host.call(diff.clone()).value;
        assert!(
            named
                .as_str()
                .unwrap()
                .starts_with(&format!("--- {a}\n+++ {b}\n"))
        );
        let ignoring = host.call(diff.kwarg("ignore_ordering", true)).value;
        assert_eq!(ignoring[0], json!(false));
        let none = Call::new("file.get_diff").arg(a.as_str()).arg("/none");
        assert!(!host.call(none).success);
        let hash = "900150983cd24fb0d6963f7d28e17f72";
        let sums = host.write("sums", &format!("{hash}  x.tar\n"));
        let found = Call::new("file.extract_hash")
            .arg(sums.as_str())
            .arg("")
            .arg("/d/x.tar");
        let expected = json!({"hash_type": "md5", "hsum": hash});
        assert_eq!(host.call(found).value, expected);
        let found = Call::new("file.get_source_sum").kwarg("source_hash", sums);
        assert_eq!(host.call(found).value, expected);
    }
}
