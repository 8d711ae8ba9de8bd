//! `dig`, and what `dnsutil` asks with it: names and addresses as the domain name system knows them.

use std::net::{IpAddr, ToSocketAddrs};

use serde_json::{Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::process;

/// The answer where the program is missing.
const NO_DIG: &str = "This function requires dig, which is not currently available";

/// Most policies of senders that one policy includes or hands over to.
const POLICIES_MAX: usize = 20;

const HOST: &str = "host, nameserver=None";
const DOMAIN: &str = "domain, resolve=False, nameserver=None";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "dig.A",
        HOST,
        "The IPv4 addresses of a name, asked with the program dig.",
        "dig.A www.example.com",
        |args, env| needs_dig(|| addresses(args, env, "A")),
    ),
    Function::new(
        "dig.AAAA",
        HOST,
        "The IPv6 addresses of a name, asked with the program dig.",
        "dig.AAAA www.example.com",
        |args, env| needs_dig(|| addresses(args, env, "AAAA")),
    ),
    Function::new(
        "dig.CNAME",
        HOST,
        "The name that a name stands for.",
        "dig.CNAME mail.example.com",
        |args, env| {
            let lines = ask(env, &[&text(args, "host")?, "CNAME"], args)?;
            Ok(lines.map_or_else(|| json!([]), |lines| json!(lines.join("\n"))))
        },
    ),
    Function::new(
        "dig.MX",
        DOMAIN,
        "The mail servers of a domain with their order. resolve: their addresses.",
        "dig.MX example.com",
        mail,
    ),
    Function::new(
        "dig.NS",
        "domain, resolve=True, nameserver=None",
        "The addresses of the name servers of a domain; with resolve=False their names.",
        "dig.NS example.com",
        servers,
    ),
    Function::new(
        "dig.PTR",
        HOST,
        "The names of an address.",
        "dig.PTR 192.0.2.1",
        |args, env| listed(ask(env, &["-x", &text(args, "host")?], args)?),
    ),
    Function::new(
        "dig.SPF",
        "domain, record='SPF', nameserver=None",
        "The networks that may send mail for a domain.",
        "dig.SPF example.com",
        senders,
    ),
    Function::new(
        "dig.TXT",
        HOST,
        "The texts of a name.",
        "dig.TXT example.com",
        |args, env| listed(ask(env, &[&text(args, "host")?, "TXT"], args)?),
    ),
    Function::new(
        "dig.check_ip",
        "addr",
        "Whether a text is an address or a network.",
        "dig.check_ip 127.0.0.1",
        |args, _| Ok(json!(args.text("addr").is_ok_and(|text| is_address(&text)))),
    )
    .quick(),
    Function::new(
        "dnsutil.A",
        HOST,
        "The IPv4 addresses of a name, asked with dig, else with the resolver of this host.",
        "dnsutil.A www.example.com",
        |args, env| resolved(args, env, "A"),
    ),
    Function::new(
        "dnsutil.AAAA",
        HOST,
        "The IPv6 addresses of a name, asked with dig, else with the resolver of this host.",
        "dnsutil.AAAA www.example.com",
        |args, env| resolved(args, env, "AAAA"),
    ),
    Function::new(
        "dnsutil.MX",
        DOMAIN,
        "The mail servers of a domain with their order. resolve: their addresses.",
        "dnsutil.MX example.com",
        |args, env| with_dig(|| mail(args, env)),
    ),
    Function::new(
        "dnsutil.NS",
        "domain, resolve=True, nameserver=None",
        "The addresses of the name servers of a domain; with resolve=False their names.",
        "dnsutil.NS example.com",
        |args, env| with_dig(|| servers(args, env)),
    ),
    Function::new(
        "dnsutil.SPF",
        "domain, record='SPF', nameserver=None",
        "The networks that may send mail for a domain.",
        "dnsutil.SPF example.com",
        |args, env| with_dig(|| senders(args, env)),
    ),
    Function::new(
        "dnsutil.check_ip",
        "ip_addr",
        "Whether a text is an address or a network.",
        "dnsutil.check_ip 127.0.0.1",
        |args, _| {
            Ok(json!(
                args.text("ip_addr").is_ok_and(|text| is_address(&text))
            ))
        },
    )
    .quick(),
];

/// A word of a call that goes to the program; none begins with a dash or an at sign, which would be an option.
fn text(args: &Args, name: &str) -> Result<String, Failure> {
    let text = args.text(name)?;
    if text.is_empty() || text.starts_with(['-', '@', '+']) {
        return Err(Failure::invocation(format!(
            "'{text}' is not a name or an address"
        )));
    }
    Ok(text)
}

fn needs_dig(work: impl FnOnce() -> Answer) -> Answer {
    match process::which("dig") {
        Some(_) => work(),
        None => Err(Failure::MissingProgram("dig".to_owned())),
    }
}

fn with_dig(work: impl FnOnce() -> Answer) -> Answer {
    match process::which("dig") {
        Some(_) => work(),
        None => Ok(json!(NO_DIG)),
    }
}

/// The lines of dig's short answer; none when it failed.
fn ask(env: &Env, question: &[&str], args: &Args) -> Result<Option<Vec<String>>, Failure> {
    let server = match args.optional_text("nameserver")? {
        Some(_) => Some(format!("@{}", text(args, "nameserver")?)),
        None => None,
    };
    let argv: Vec<&str> = ["dig", "+short"]
        .into_iter()
        .chain(question.iter().copied())
        .chain(server.as_deref())
        .collect();
    let finished = process::query(&argv, env.cancel)?;
    if finished.retcode != 0 {
        tracing::warn!(
            "dig returned exit code '{}'. Returning empty list as fallback.",
            finished.retcode
        );
        return Ok(None);
    }
    Ok(Some(
        finished
            .stdout
            .to_string()
            .trim_end_matches('\n')
            .split('\n')
            .map(str::to_owned)
            .collect(),
    ))
}

fn listed(lines: Option<Vec<String>>) -> Answer {
    Ok(json!(lines.unwrap_or_default()))
}

fn of_kind(env: &Env, host: &str, kind: &str, args: &Args) -> Result<Vec<String>, Failure> {
    let lines = ask(env, &[host, kind], args)?.unwrap_or_default();
    Ok(lines.into_iter().filter(|line| is_address(line)).collect())
}

fn addresses(args: &Args, env: &Env, kind: &str) -> Answer {
    Ok(json!(of_kind(env, &text(args, "host")?, kind, args)?))
}

fn resolved(args: &Args, env: &Env, kind: &str) -> Answer {
    if process::which("dig").is_some() {
        return addresses(args, env, kind);
    }
    if !args.value("nameserver").is_null() {
        return Ok(json!(NO_DIG));
    }
    let host = args.text("host")?;
    let is_wanted = |address: &IpAddr| address.is_ipv4() == (kind == "A");
    let found: Vec<String> = (host.as_str(), 0)
        .to_socket_addrs()
        .into_iter()
        .flatten()
        .map(|address| address.ip())
        .filter(is_wanted)
        .map(|address| address.to_string())
        .collect();
    if found.is_empty() {
        return Ok(json!(format!("Unable to resolve {host}")));
    }
    Ok(json!(found))
}

fn servers(args: &Args, env: &Env) -> Answer {
    let names = ask(env, &[&text(args, "domain")?, "NS"], args)?.unwrap_or_default();
    if !args.flag("resolve") {
        return Ok(json!(names));
    }
    let mut found = Vec::new();
    for name in names
        .iter()
        .filter(|name| !name.is_empty() && !name.starts_with(['-', '@', '+']))
    {
        found.extend(of_kind(env, name, "A", args)?);
    }
    Ok(json!(found))
}

fn mail(args: &Args, env: &Env) -> Answer {
    let lines = ask(env, &[&text(args, "domain")?, "MX"], args)?.unwrap_or_default();
    let mut found = Vec::new();
    for line in &lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [order, name] if args.flag("resolve") && !name.starts_with(['-', '@', '+']) => {
                let first = of_kind(env, name, "A", args)?.into_iter().next();
                found.push(json!([order, first]));
            }
            words => found.push(json!(words)),
        }
    }
    Ok(Value::Array(found))
}

fn senders(args: &Args, env: &Env) -> Answer {
    let record = match args.text("record")?.as_str() {
        "TXT" => "TXT",
        _ => "SPF",
    };
    let mut left = POLICIES_MAX;
    let found = policy(env, &text(args, "domain")?, record, args, &mut left)?;
    Ok(json!(found))
}

fn policy(
    env: &Env,
    domain: &str,
    record: &str,
    args: &Args,
    left: &mut usize,
) -> Result<Vec<String>, Failure> {
    *left = left.checked_sub(1).ok_or_else(|| {
        Failure::command(format!(
            "the policy of senders includes more than {POLICIES_MAX} others"
        ))
    })?;
    let Some(lines) = ask(env, &[domain, record], args)? else {
        return Ok(Vec::new());
    };
    let said = lines.join("\n");
    if said.is_empty() && record == "SPF" {
        return policy(env, domain, "TXT", args, left);
    }
    let mut found = Vec::new();
    for part in parts(&said) {
        match part {
            Part::Other(domain) => found.extend(policy(env, &domain, "SPF", args, left)?),
            Part::Network(network) => found.push(network),
        }
    }
    Ok(found)
}

#[derive(Debug, PartialEq)]
enum Part {
    /// The policy of another domain counts, too.
    Other(String),
    Network(String),
}

/// What a policy of senders says of networks.
fn parts(said: &str) -> Vec<Part> {
    let said = said.replace('"', "");
    let mut words = said.split_whitespace();
    if words.next() != Some("v=spf1") {
        return Vec::new();
    }
    let words: Vec<&str> = words.collect();
    let is_name = |name: &&str| !name.is_empty() && !name.starts_with(['-', '@', '+']);
    if let Some(domain) = words
        .first()
        .and_then(|word| word.strip_prefix("redirect="))
        .filter(is_name)
    {
        return vec![Part::Other(domain.to_owned())];
    }
    let part = |word: &&str| {
        let (mechanism, value) = word.trim_start_matches(['+', '~']).split_once(':')?;
        match mechanism {
            "include" if is_name(&value) => Some(Part::Other(value.to_owned())),
            "ip4" | "ip6" if is_address(value) => Some(Part::Network(value.to_owned())),
            _ => None,
        }
    };
    words.iter().filter_map(part).collect()
}

/// Whether a text is an address, or a network with a prefix from 1 (from 8 with IPv6) on.
fn is_address(text: &str) -> bool {
    let (address, prefix) = match text.rsplit_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let allowed = if address.is_ipv4() { 1..=32 } else { 8..=128 };
    prefix.is_none_or(|prefix| {
        prefix
            .parse()
            .is_ok_and(|prefix: u32| allowed.contains(&prefix))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    #[test]
    fn addresses_are_told() {
        let check = |text: &str, expected: bool| assert_eq!(is_address(text), expected, "{text}");
        check("127.0.0.1", true);
        check("127.0.0.0/8", true);
        check("127.0.0.0/0", false);
        check("127.0.0.0/33", false);
        check("::1", true);
        check("fe80::/10", true);
        check("fe80::/4", false);
        check("www.example.com.", false);
        check("", false);
    }

    #[test]
    fn policies_are_read() {
        let network = |text: &str| Part::Network(text.to_owned());
        let other = |text: &str| Part::Other(text.to_owned());
        assert_eq!(
            parts("\"v=spf1 ip4:192.0.2.0/24 +ip6:2001:db8::/32 ~include:a.example mx -all\""),
            [
                network("192.0.2.0/24"),
                network("2001:db8::/32"),
                other("a.example")
            ]
        );
        assert_eq!(parts("v=spf1 redirect=b.example"), [other("b.example")]);
        assert_eq!(parts("google-site-verification=x"), []);
        assert_eq!(parts("v=spf1 include:-x ip4:none"), []);
    }

    #[test]
    fn no_word_is_an_option() {
        let host = Host::new();
        if process::which("dig").is_some() {
            assert!(!host.call(Call::new("dig.A").arg("-f/etc/shadow")).success);
            assert!(
                !host
                    .call(Call::new("dig.TXT").arg("a").kwarg("nameserver", "-x"))
                    .success
            );
        } else {
            assert_eq!(
                host.call(Call::new("dnsutil.MX").arg("example.com")).value,
                json!(NO_DIG)
            );
            assert_eq!(
                host.call(Call::new("dnsutil.A").arg("127.0.0.1")).value,
                json!(["127.0.0.1"])
            );
            assert!(!host.call(Call::new("dig.A").arg("localhost")).success);
        }
    }
}
