//! `apache`: modules, sites and configurations of the Apache web server, as Debian switches them.

use serde_json::json;

use super::{Answer, Args, Env, Failure, Function};
use crate::process::query;
use crate::root;

/// What is switched on and off.
pub(crate) struct Kind {
    /// Ends the names of the programs, `a2enmod` and `a2dismod`.
    short: &'static str,
    /// For messages.
    title: &'static str,
    /// Where links to what is enabled are.
    folder: &'static str,
    /// Names that may stand without it end so.
    suffix: &'static str,
}

pub(crate) const MODULE: Kind = Kind {
    short: "mod",
    title: "Mod",
    folder: "/etc/apache2/mods-enabled",
    suffix: ".load",
};

pub(crate) const SITE: Kind = Kind {
    short: "site",
    title: "Site",
    folder: "/etc/apache2/sites-enabled",
    suffix: ".conf",
};

pub(crate) const CONFIGURATION: Kind = Kind {
    short: "conf",
    title: "Conf",
    folder: "/etc/apache2/conf-enabled",
    suffix: ".conf",
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "apache.a2disconf",
        "conf",
        "Disable a configuration.",
        "apache.a2disconf security",
        |args, env| switched(args, env, &CONFIGURATION, false),
    ),
    Function::new(
        "apache.a2dismod",
        "mod",
        "Disable a module.",
        "apache.a2dismod vhost_alias",
        |args, env| switched(args, env, &MODULE, false),
    ),
    Function::new(
        "apache.a2dissite",
        "site",
        "Disable a site.",
        "apache.a2dissite example.com",
        |args, env| switched(args, env, &SITE, false),
    ),
    Function::new(
        "apache.a2enconf",
        "conf",
        "Enable a configuration.",
        "apache.a2enconf security",
        |args, env| switched(args, env, &CONFIGURATION, true),
    ),
    Function::new(
        "apache.a2enmod",
        "mod",
        "Enable a module.",
        "apache.a2enmod vhost_alias",
        |args, env| switched(args, env, &MODULE, true),
    ),
    Function::new(
        "apache.a2ensite",
        "site",
        "Enable a site.",
        "apache.a2ensite example.com",
        |args, env| switched(args, env, &SITE, true),
    ),
    Function::new(
        "apache.check_conf_enabled",
        "conf",
        "Whether a configuration is enabled.",
        "apache.check_conf_enabled security",
        |args, _| Ok(json!(is_enabled(&CONFIGURATION, &args.text("conf")?))),
    ),
    Function::new(
        "apache.check_mod_enabled",
        "mod",
        "Whether a module is enabled.",
        "apache.check_mod_enabled status",
        |args, _| Ok(json!(is_enabled(&MODULE, &args.text("mod")?))),
    ),
    Function::new(
        "apache.check_site_enabled",
        "site",
        "Whether a site is enabled.",
        "apache.check_site_enabled example.com",
        |args, _| Ok(json!(is_enabled(&SITE, &args.text("site")?))),
    ),
];

/// Whether there is a link to a thing among those that are enabled.
pub(crate) fn is_enabled(kind: &Kind, name: &str) -> bool {
    let has_suffix = name.ends_with(".conf") || name.ends_with(kind.suffix);
    let suffix = if has_suffix { "" } else { kind.suffix };
    let is_link = |name: &str| {
        let path = root::path(&format!("{}/{name}", kind.folder));
        path.is_symlink()
    };
    // The site that comes with the server has a name to be the first.
    let is_first = kind.short == SITE.short && name == "default";
    is_link(&format!("{name}{suffix}")) || is_first && is_link("000-default")
}

/// Enables or disables a thing; answers what came of it in words.
pub(crate) fn switch(env: &Env, kind: &Kind, name: &str, enable: bool) -> Result<String, Failure> {
    let verb = if enable { "a2en" } else { "a2dis" };
    let program = format!("{verb}{}", kind.short);
    let done = query(&[&program, name], env.cancel)?;
    let title = kind.title;
    Ok(match done.retcode {
        0 if enable => format!("{title} {name} enabled"),
        0 => format!("{title} {name} disabled"),
        1 => format!("{title} {name} Not found"),
        code => format!("{program} exited with {code}: {}", done.stderr.trim_end()),
    })
}

fn switched(args: &Args, env: &Env, kind: &Kind, enable: bool) -> Answer {
    let name = args.text(kind.short)?;
    let status = switch(env, kind, &name, enable)?;
    let verb = if enable { "Enable" } else { "Disable" };
    let title = kind.title;
    Ok(json!({"Name": format!("Apache2 {verb} {title}"), title: name, "Status": status}))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    /// Programs that switch links for everything but what is named `none`.
    pub(crate) fn fake(host: &Host) {
        for kind in [MODULE, SITE, CONFIGURATION] {
            let folder = host.path(&format!("root{}", kind.folder));
            std::fs::create_dir_all(&folder).unwrap();
            let link = format!("{folder}/$1{}", kind.suffix);
            let known = "[ \"$1\" = none ] && exit 1";
            host.program(
                &format!("a2en{}", kind.short),
                &format!("{known}; ln -s ../available/$1 {link}"),
            );
            host.program(
                &format!("a2dis{}", kind.short),
                &format!("{known}; rm {link}"),
            );
        }
    }

    #[test]
    fn modules_are_switched() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let call = |fun: &str, name: &str| host.call(Call::new(fun).arg(name)).value;
        assert_eq!(call("apache.check_mod_enabled", "ssl"), json!(false));
        assert_eq!(
            call("apache.a2enmod", "ssl"),
            json!({"Name": "Apache2 Enable Mod", "Mod": "ssl", "Status": "Mod ssl enabled"})
        );
        assert_eq!(call("apache.check_mod_enabled", "ssl"), json!(true));
        assert_eq!(
            call("apache.a2dissite", "none")["Status"],
            "Site none Not found"
        );
        assert_eq!(call("apache.check_site_enabled", "a.conf"), json!(false));
    }
}
