//! Addresses of remotes, with names and passwords in them.

use crate::failure::Failure;
use crate::pattern;

/// An address with a user and password; only HTTPS takes them.
pub(crate) fn with_credentials(
    url: &str,
    user: Option<&str>,
    password: Option<&str>,
) -> Result<String, Failure> {
    if user.is_none() && password.is_none() {
        return Ok(url.to_owned());
    }
    let rest = url
        .strip_prefix("https://")
        .ok_or_else(|| Failure::command("Basic Auth only supported for HTTPS"))?;
    let user = quoted(user.unwrap_or_default());
    Ok(match password {
        Some(password) => format!("https://{user}:{}@{rest}", quoted(password)),
        None => format!("https://{user}@{rest}"),
    })
}

/// Percent signs for what has a meaning in an address.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A text without the users and passwords of its addresses.
pub(crate) fn redacted(text: &str) -> String {
    match pattern::build("(https?)://.*@", true) {
        Some(address) => address.replace_all(text, "${1}://<redacted>@").into_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_in_and_are_hidden() {
        let url =
            with_credentials("https://example.com/x.git", Some("me"), Some("p@ss/w")).unwrap();
        assert_eq!(url, "https://me:p%40ss%2Fw@example.com/x.git");
        assert_eq!(
            redacted(&format!("cannot read {url}")),
            "cannot read https://<redacted>@example.com/x.git"
        );
        assert_eq!(
            with_credentials("git@example.com:x", None, None).unwrap(),
            "git@example.com:x"
        );
        let failure = with_credentials("http://example.com", Some("me"), None).unwrap_err();
        assert_eq!(failure.to_string(), "Basic Auth only supported for HTTPS");
    }
}
