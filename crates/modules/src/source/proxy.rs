//! Which proxy a URL is asked through, by the variables that programs of Unix share: `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`, in
//! small letters or large ones.

use super::url;

/// The proxy for a URL; none when it is asked directly. `variable` gives a variable of the environment.
pub(super) fn chosen(address: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let either = |name: &str| {
        let value = variable(name).or_else(|| variable(&name.to_uppercase()));
        value.filter(|value| !value.trim().is_empty())
    };
    let scheme = url::scheme(address);
    let proxy = either(&format!("{scheme}_proxy")).or_else(|| either("all_proxy"))?;
    let (bare, _) = url::without_login(address);
    let host = url::host_of(&bare).to_lowercase();
    let exceptions = either("no_proxy").unwrap_or_default();
    let is_excepted = exceptions
        .split([',', ' '])
        .map(str::trim)
        .any(|exception| is_meant(&host, &exception.to_lowercase()));
    (!is_excepted).then_some(proxy)
}

/// Whether an exception means a host, which may have a port behind it: itself, all below a domain, or every host.
fn is_meant(host: &str, exception: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let domain = exception.trim_start_matches('*').trim_start_matches('.');
    match exception {
        "" => false,
        "*" => true,
        exception if exception == host => true,
        _ => {
            without_port == domain
                || without_port
                    .strip_suffix(domain)
                    .is_some_and(|above| above.ends_with('.'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_chosen_by_scheme_and_host() {
        let check = |address: &str, variables: &[(&str, &str)], expected: Option<&str>| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(
                chosen(address, variable).as_deref(),
                expected,
                "{address} {variables:?}"
            );
        };
        let plain = [("http_proxy", "p:1"), ("HTTPS_PROXY", "q:2")];
        check("http://h/x", &plain, Some("p:1"));
        check("https://h/x", &plain, Some("q:2"));
        check("https://h/x", &[("all_proxy", "a:3")], Some("a:3"));
        check("https://h/x", &[("https_proxy", "")], None);
        let excepted = |exceptions: &'static str| [("http_proxy", "p:1"), ("no_proxy", exceptions)];
        check("http://h/x", &excepted("*"), None);
        check(
            "http://u:p@a.example.com:80/x",
            &excepted("localhost, .example.com"),
            None,
        );
        check("http://a.example.com/x", &excepted("example.com"), None);
        check("http://example.com/x", &excepted("*.example.com"), None);
        check(
            "http://badexample.com/x",
            &excepted("example.com"),
            Some("p:1"),
        );
        check("http://h:8080/x", &excepted("h:8080"), None);
        check("http://h:8080/x", &excepted("h:80"), Some("p:1"));
    }
}
