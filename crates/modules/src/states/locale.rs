//! `locale`: the language of the host and the locales that it has.

use serde_json::json;

use super::{Args, Failure, Return, StateAnswer, StateEnv, StateFunction, changed, returned};
use crate::functions::locale::{current, generate, is_available, set};

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "locale.present",
        "name",
        "Keep a locale on the host.",
        present,
    ),
    StateFunction::new(
        "locale.system",
        "name",
        "Keep the language of the host.",
        |args, env| {
            let name = args.text("name")?;
            let done = system(&name, env);
            Ok(done.unwrap_or_else(|failure| {
                returned(false, format!("Failed to set system locale: {failure}"))
            }))
        },
    ),
];

fn present(args: &Args, env: &StateEnv) -> StateAnswer {
    let name = args.text("name")?;
    if is_available(env.env, &name)? {
        return Ok(returned(true, format!("Locale {name} is already present")));
    }
    if env.is_test {
        return Ok(returned(
            None,
            format!("Locale {name} needs to be generated"),
        ));
    }
    Ok(if generate(env.env, &name, false)? == json!(true) {
        changed(
            true,
            format!("Generated locale {name}"),
            json!({"locale": name}),
        )
    } else {
        returned(false, format!("Failed to generate locale {name}"))
    })
}

fn system(name: &str, env: &StateEnv) -> Result<Return, Failure> {
    if current(env.env)? == name {
        return Ok(returned(true, format!("System locale {name} already set")));
    }
    if env.is_test {
        return Ok(returned(
            None,
            format!("System locale {name} needs to be set"),
        ));
    }
    Ok(if set(env.env, name)? {
        changed(
            true,
            format!("Set system locale {name}"),
            json!({"locale": name}),
        )
    } else {
        returned(false, format!("Failed to set system locale to {name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::locale::tests::fake;
    use crate::testing::Host;

    #[test]
    fn locales_are_kept() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let args = json!({"name": "de_DE.UTF-8"});
        let foretold = host.state("locale.present", args.clone(), true);
        assert_eq!(foretold.comment, "Locale de_DE.UTF-8 needs to be generated");
        assert_eq!(
            host.applies("locale.present", args.clone()).comment,
            "Generated locale de_DE.UTF-8"
        );
        assert_eq!(
            host.applies("locale.system", args.clone()).comment,
            "Set system locale de_DE.UTF-8"
        );
        let again = host.state("locale.system", args, false);
        assert_eq!(again.comment, "System locale de_DE.UTF-8 already set");
        let unknown = host.state("locale.present", json!({"name": "xx"}), false);
        assert_eq!(unknown.comment, "Failed to generate locale xx");
    }
}
