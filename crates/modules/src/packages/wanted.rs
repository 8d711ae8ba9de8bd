//! Packages as they are asked for: names with versions, in the order of who asks.

use serde_json::Value;

use super::Packages;
use crate::failure::Failure;
use crate::python;

/// Names with what is said of their versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted(pub(crate) Vec<(String, Option<String>)>);

impl Wanted {
    /// One package.
    pub(crate) fn one(name: impl Into<String>, version: Option<String>) -> Wanted {
        Wanted(vec![(name.into(), version)])
    }

    /// Reads a list of names and of `{name: version}`. Empty when it is none; an error when a package stands twice.
    pub(crate) fn parse(
        list: &Value,
        normalized: impl Fn(&str) -> String,
    ) -> Result<Wanted, Failure> {
        let parsed;
        let list = match list {
            Value::String(text) => {
                parsed = yaml::parse(text).unwrap_or(Value::Null);
                &parsed
            }
            list => list,
        };
        let Some(items) = list.as_array() else {
            return Ok(Wanted::default());
        };
        let mut wanted = Wanted::default();
        for item in items {
            let (name, version) = match item {
                Value::Object(map) => match map.iter().next() {
                    Some((name, version)) if map.len() == 1 => (
                        name.clone(),
                        (!version.is_null()).then(|| python::text(version)),
                    ),
                    _ => return Ok(Wanted::default()),
                },
                Value::Array(_) | Value::Null => return Ok(Wanted::default()),
                name => (python::text(name), None),
            };
            wanted.set(&normalized(&name), version);
        }
        if wanted.0.len() != items.len() {
            return Err(Failure::invocation(format!(
                "You are passing a list of packages that contains duplicated packages names: {}. This cannot be processed. In case \
                 you are targeting different versions of the same package, please target them individually",
                python::repr(list)
            )));
        }
        Ok(wanted)
    }

    /// Reads a list of `{name: source}`; empty when it is none.
    pub(crate) fn sources(list: &Value) -> Wanted {
        let mut wanted = Wanted::default();
        for item in list.as_array().into_iter().flatten() {
            match item
                .as_object()
                .and_then(|map| map.iter().next().filter(|_| map.len() == 1))
            {
                Some((name, source)) => wanted.set(name, Some(python::text(source))),
                None => return Wanted::default(),
            }
        }
        wanted
    }

    /// Sets the version of a package, which keeps its place.
    pub(crate) fn set(&mut self, name: &str, version: Option<String>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = version,
            None => self.0.push((name.to_owned(), version)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The names that a list holds.
    pub(crate) fn names_in<'a>(
        &'a self,
        packages: &'a Packages,
    ) -> impl Iterator<Item = &'a String> {
        self.names().filter(|name| packages.contains_key(*name))
    }

    pub(crate) fn version(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .and_then(|(_, version)| version.as_deref())
    }

    /// `name`, `name=1.0` or `name>=1.0`.
    pub(crate) fn shown(&self, name: &str) -> String {
        match self.version(name).unwrap_or_default() {
            "" => name.to_owned(),
            version if version.starts_with(['<', '>', '=']) => format!("{name}{version}"),
            version => format!("{name}={version}"),
        }
    }
}

/// A package without what is said of its version.
pub(crate) fn bare(name: &str) -> &str {
    name.split(['=', '<', '>']).next().unwrap_or_default()
}

/// That no version meets a condition such as `>=1.0`, with those that are offered.
pub(super) fn unmet(name: &str, condition: &str, offered: &[String]) -> String {
    let known = if offered.is_empty() {
        "None".to_owned()
    } else {
        offered.join(", ")
    };
    format!("No version matching '{name}{condition}' could be found (available: {known})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_shown_with_what_is_said_of_their_version() {
        let shown = |version: Option<&str>| Wanted::one("a", version.map(str::to_owned)).shown("a");
        assert_eq!(shown(None), "a");
        assert_eq!(shown(Some("1")), "a=1");
        assert_eq!(shown(Some(">=1")), "a>=1");
    }
}
