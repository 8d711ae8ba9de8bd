//! `locale`: the language of the host and the locales that it has.

use std::fs;

use serde_json::{Value, json};
use sls::python_regex::Flags;

use super::{Args, Env, Failure, Function};
use crate::call::Call;
use crate::edit::substitution::is_in_file;
use crate::process::{query, which};
use crate::python;
use crate::root;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "locale.avail",
        "locale",
        "Whether the host has a locale.",
        "locale.avail de_DE.UTF-8",
        |args, env| Ok(json!(is_available(env, &args.text("locale")?)?)),
    ),
    Function::new(
        "locale.gen_locale",
        "locale, verbose=False",
        "Make a locale; whether that went well, with verbose what the program said.",
        "locale.gen_locale 'en_IE.UTF-8 UTF-8'",
        |args, env| generate(env, &args.text("locale")?, args.flag("verbose")),
    ),
    Function::new(
        "locale.get_locale",
        "",
        "The language of the host.",
        "locale.get_locale",
        |_, env| Ok(json!(current(env)?)),
    ),
    Function::new(
        "locale.list_avail",
        "",
        "The locales that the host has.",
        "locale.list_avail",
        |_: &Args, env| Ok(json!(available(env)?)),
    ),
    Function::new(
        "locale.set_locale",
        "locale",
        "Set the language of the host.",
        "locale.set_locale en_US.UTF-8",
        |args, env| set(env, &args.text("locale")?).map(Value::from),
    ),
];

/// The parts of a name such as `de_DE.UTF-8@euro UTF-8`.
#[derive(Debug, Clone, Default)]
struct Name {
    language: String,
    territory: String,
    codeset: String,
    modifier: String,
    charmap: String,
}

impl Name {
    fn parse(text: &str) -> Name {
        let split = |text: &str, at: char| -> (String, String) {
            let (before, after) = text.split_once(at).unwrap_or((text, ""));
            (before.to_owned(), after.to_owned())
        };
        let (rest, charmap) = split(text, ' ');
        let (rest, modifier) = split(&rest, '@');
        let (rest, codeset) = split(&rest, '.');
        let (language, territory) = split(&rest, '_');
        Name {
            language,
            territory,
            codeset,
            modifier,
            charmap,
        }
    }

    fn text(&self) -> String {
        let mut text = self.language.clone();
        for (mark, part) in [
            ('_', &self.territory),
            ('.', &self.codeset),
            ('@', &self.modifier),
            (' ', &self.charmap),
        ] {
            if !part.is_empty() {
                text.push(mark);
                text.push_str(part);
            }
        }
        text
    }

    /// The name by which locales are the same.
    fn normal(text: &str) -> String {
        let name = Name::parse(text);
        Name {
            territory: name.territory.to_uppercase(),
            codeset: name.codeset.to_lowercase().replace('-', ""),
            charmap: String::new(),
            ..name
        }
        .text()
    }
}

fn grain(env: &Env, name: &str) -> String {
    python::text(&env.ctx.grains()[name])
}

fn has_systemd() -> bool {
    root::path("/run/systemd/system").is_dir()
}

fn available(env: &Env) -> Result<Vec<String>, Failure> {
    let done = query(&["locale", "-a"], env.cancel)?;
    Ok(done.stdout.lines().map(str::to_owned).collect())
}

/// Whether the host has a locale.
pub(crate) fn is_available(env: &Env, name: &str) -> Result<bool, Failure> {
    let wanted = Name::normal(name);
    Ok(available(env)?
        .iter()
        .any(|known| Name::normal(known.trim()) == wanted))
}

/// The file that holds the language, and the variable in it.
fn file(env: &Env) -> Result<(&'static str, &'static str), Failure> {
    match grain(env, "os_family").as_str() {
        "Debian" => Ok(("/etc/default/locale", "LANG")),
        "RedHat" => Ok(("/etc/sysconfig/i18n", "LANG")),
        "Suse" => Ok(("/etc/sysconfig/language", "RC_LANG")),
        _ => Err(Failure::command(format!(
            "Error: \"{}\" is unsupported!",
            grain(env, "oscodename")
        ))),
    }
}

/// The variables of localectl.
fn variables(env: &Env) -> Result<Vec<(String, String)>, Failure> {
    if which("localectl").is_none() {
        return Err(Failure::command("Unable to find \"localectl\""));
    }
    let done = query(&["localectl", "status"], env.cancel)?;
    if done
        .stderr
        .contains("Failed to connect to bus: No such file or directory")
    {
        return Err(Failure::command(
            "Command \"localectl\" is in a degraded state.",
        ));
    }
    let mut is_ours = false;
    let mut all = Vec::new();
    for line in done.stdout.lines() {
        let value = match line.split_once(": ") {
            Some((key, value)) => {
                is_ours = key.trim() == "System Locale";
                value
            }
            None => line,
        };
        if let Some((name, value)) = value.trim().split_once('=').filter(|_| is_ours) {
            all.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(all)
}

/// The language of the host; empty when it is not set.
pub(crate) fn current(env: &Env) -> Result<String, Failure> {
    if has_systemd() {
        let all = variables(env)?;
        let language = all.into_iter().find(|(name, _)| name == "LANG");
        return Ok(language.map(|(_, value)| value).unwrap_or_default());
    }
    let (path, variable) = file(env)?;
    let text = fs::read_to_string(root::path(path)).unwrap_or_default();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(variable)?.strip_prefix('='));
    Ok(value.unwrap_or_default().replace('"', ""))
}

/// Sets the language of the host.
pub(crate) fn set(env: &Env, name: &str) -> Result<bool, Failure> {
    let is_new_debian = grain(env, "os_family") == "Debian"
        && grain(env, "osmajorrelease")
            .parse::<u32>()
            .is_ok_and(|release| release >= 13);
    if has_systemd() && !is_new_debian {
        let mut words = vec!["localectl".to_owned(), "set-locale".to_owned()];
        let others = variables(env)?
            .into_iter()
            .filter(|(name, _)| name != "LANG");
        words.extend(others.map(|(name, value)| format!("{name}={value}")));
        words.push(format!("LANG={name}"));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if query(&words, env.cancel)?.retcode != 0 {
            set_line(env, "/etc/locale.conf", "LANG", name)?;
        }
        return Ok(true);
    }
    let (path, variable) =
        file(env).map_err(|_| Failure::command("Error: Unsupported platform!"))?;
    if grain(env, "os_family") == "Debian" {
        if which("update-locale").is_none() {
            return Err(Failure::command(
                "Cannot set locale: \"update-locale\" was not found.",
            ));
        }
        // It makes the file where there is none.
        query(&["update-locale"], env.cancel)?;
    }
    set_line(env, path, variable, &format!("\"{name}\""))?;
    Ok(true)
}

fn set_line(env: &Env, path: &str, variable: &str, value: &str) -> Result<(), Failure> {
    let path = root::path(path);
    if !path.exists() {
        fs::write(&path, "").map_err(|error| Failure::io(&path, error))?;
    }
    let call = Call::new("file.replace").arg(path.to_string_lossy().into_owned());
    let call = call
        .arg(format!("^{variable}=.*"))
        .arg(format!("{variable}={value}"));
    env.call(&call.kwarg("append_if_not_found", true))
        .map(|_| ())
}

/// Makes a locale; whether that went well, or all that the program said.
pub(crate) fn generate(env: &Env, locale: &str, is_verbose: bool) -> Result<Value, Failure> {
    let (os, is_gentoo) = (grain(env, "os"), grain(env, "os_family") == "Gentoo");
    let is_ubuntu = os == "Ubuntu";
    let mut name = Name::parse(locale);
    let place = format!("{}_{}", name.language, name.territory);
    let mut locale = locale.to_owned();
    if name.charmap.is_empty() && !is_ubuntu {
        name.charmap.clone_from(&name.codeset);
        locale = name.text();
    }
    let is_valid = if os == "Debian" || is_gentoo {
        let supported = root::path("/usr/share/i18n/SUPPORTED");
        let lines = Flags {
            multiline: true,
            ..Flags::default()
        };
        is_in_file(&supported, &format!("^{locale}$"), lines)?
    } else {
        let is_suse = grain(env, "os_family") == "Suse";
        let directory = root::path(if is_suse {
            "/usr/share/locale"
        } else {
            "/usr/share/i18n/locales"
        });
        if !directory.is_dir() {
            return Err(Failure::command(format!(
                "Locale \"{locale}\" is not available."
            )));
        }
        directory.join(&place).exists()
    };
    if !is_valid {
        tracing::error!(locale, "this locale is not known");
        return Ok(json!(false));
    }
    let list = root::path("/etc/locale.gen");
    let languages = root::path(&format!("/var/lib/locales/supported.d/{}", name.language));
    let replace = |path: &std::path::Path, pattern: &str, line: &str| {
        let call = Call::new("file.replace").arg(path.to_string_lossy().into_owned());
        env.call(
            &call
                .arg(pattern)
                .arg(line)
                .kwarg("append_if_not_found", true),
        )
    };
    if list.exists() {
        replace(
            &list,
            &format!(r"^\s*#\s*{locale}\s*$"),
            &format!("{locale}\n"),
        )?;
    } else if is_ubuntu {
        env.call(&Call::new("file.touch").arg(languages.to_string_lossy().into_owned()))?;
        replace(&languages, &locale, &locale)?;
    }
    let normal = Name::normal(&locale);
    let target = format!("{place}.{}", name.codeset);
    let words = if which("locale-gen").is_some() {
        let mut words = vec!["locale-gen"];
        words.extend(is_gentoo.then_some("--generate"));
        words.push(if is_ubuntu { &normal } else { &locale });
        words
    } else if which("localedef").is_some() {
        let sound = if is_verbose { "--verbose" } else { "--quiet" };
        vec![
            "localedef",
            "--force",
            "-i",
            &place,
            "-f",
            &name.codeset,
            &target,
            sound,
        ]
    } else {
        return Err(Failure::command(
            "Command \"locale-gen\" or \"localedef\" was not found on this system.",
        ));
    };
    let done = query(&words, env.cancel)?;
    if is_verbose {
        return Ok(json!({
            "pid": done.pid, "retcode": done.retcode, "stdout": done.stdout.trim_end(), "stderr": done.stderr.trim_end(),
        }));
    }
    Ok(json!(done.retcode == 0))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::Host;

    /// A Debian host without systemd whose programs write what they are told.
    pub(crate) fn fake(host: &Host) {
        host.write(
            "root/usr/share/i18n/SUPPORTED",
            "de_DE.UTF-8 UTF-8\nen_US ISO-8859-1\n",
        );
        host.write(
            "root/etc/locale.gen",
            "# de_DE.UTF-8 UTF-8\n# en_US ISO-8859-1\n",
        );
        host.write("root/etc/default/locale", "LANG=C\n");
        let made = host.path("made");
        host.program("locale", &format!("echo C; cat {made} 2>/dev/null"));
        host.program(
            "locale-gen",
            &format!("echo \"$1\" | sed 's/ .*//; s/UTF-8/utf8/' >>{made}"),
        );
        host.program("update-locale", "");
    }

    #[test]
    fn names_are_the_same() {
        for (name, normal) in [
            ("de_de.UTF-8 UTF-8", "de_DE.utf8"),
            ("de_DE.utf8", "de_DE.utf8"),
            ("de_DE@euro", "de_DE@euro"),
            ("C", "C"),
        ] {
            assert_eq!(Name::normal(name), normal);
        }
    }

    #[test]
    fn locales_are_made() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let check = |fun: &str, arg: &str, expected: Value| {
            assert_eq!(
                host.call(Call::new(fun).arg(arg)).value,
                expected,
                "{fun} {arg}"
            );
        };
        check("locale.avail", "de_DE.UTF-8", json!(false));
        check("locale.gen_locale", "xx_XX.UTF-8", json!(false));
        check("locale.gen_locale", "de_DE.UTF-8", json!(true));
        check("locale.avail", "de_DE.UTF-8", json!(true));
        let list = fs::read_to_string(host.path("root/etc/locale.gen")).unwrap();
        assert!(list.starts_with("de_DE.UTF-8 UTF-8\n"), "{list}");
        check("locale.set_locale", "de_DE.UTF-8", json!(true));
        assert_eq!(
            host.call(Call::new("locale.get_locale")).value,
            json!("de_DE.UTF-8")
        );
        assert_eq!(
            fs::read_to_string(host.path("root/etc/default/locale")).unwrap(),
            "LANG=\"de_DE.UTF-8\"\n"
        );
    }
}
