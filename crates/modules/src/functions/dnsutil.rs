//! `dnsutil`: files of hosts and serial numbers of zones. What asks the domain name system stands with `dig`.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::python;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "dnsutil.hosts_append",
        "hostsfile='/etc/hosts', ip_addr=None, entries=None",
        "Add a line with the names of an address (with commas between) to a hosts file; names that it has are left out.",
        "dnsutil.hosts_append /etc/hosts 127.0.0.1 ad1.yuk.co,ad2.yuk.co",
        hosts_append,
    ),
    Function::new(
        "dnsutil.hosts_remove",
        "hostsfile='/etc/hosts', entries=None",
        "Take names (with commas between) out of a hosts file, and the lines that are left without a name.",
        "dnsutil.hosts_remove /etc/hosts ad1.yuk.co,ad2.yuk.co",
        hosts_remove,
    ),
    Function::new(
        "dnsutil.parse_hosts",
        "hostsfile='/etc/hosts', hosts=None",
        "The names in a hosts file, or in its text, by address.",
        "dnsutil.parse_hosts",
        |args, _| {
            let given = args.optional_text("hosts")?.filter(|text| !text.is_empty());
            let text = match given {
                Some(text) => text,
                None => match std::fs::read_to_string(args.text("hostsfile")?) {
                    Ok(text) => text,
                    Err(_) => return Ok(json!("Error: hosts data was not found")),
                },
            };
            Ok(Value::Object(hosts(&text)))
        },
    ),
    Function::new(
        "dnsutil.serial",
        "zone='', update=False",
        "A serial number for a zone, of the day and a counter, kept in the grain dnsserial. update: the next one.",
        "dnsutil.serial example.com update=True",
        serial,
    ),
];

fn serial(args: &Args, env: &Env) -> Answer {
    let zone = args.text("zone")?;
    let key = if zone.is_empty() {
        "dnsserial".to_owned()
    } else {
        format!("dnsserial_{zone}")
    };
    let stored = env
        .ctx
        .grains()
        .get(&key)
        .map(python::text)
        .filter(|stored| !stored.is_empty());
    let today = format!("{}01", jiff::Zoned::now().strftime("%Y%m%d"));
    let number = match stored {
        None => today,
        Some(stored) if !args.flag("update") => return Ok(json!(stored)),
        // A counter that ran beyond its day goes on from where it is.
        Some(stored) if stored >= today => match stored.parse::<u64>() {
            Ok(number) => number.saturating_add(1).to_string(),
            Err(_) => {
                return Err(Failure::command(format!(
                    "the grain {key} is no serial number: {stored}"
                )));
            }
        },
        Some(_) => today,
    };
    if args.flag("update") {
        let set = Call::new("grains.setval").arg(key).arg(number.as_str());
        env.call(&set)?;
    }
    Ok(json!(number))
}

fn hosts_append(args: &Args, _: &Env) -> Answer {
    let (path, address) = (args.text("hostsfile")?, args.text("ip_addr")?);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let known = hosts(&text);
    let known = known.get(&address).and_then(Value::as_array);
    let is_new = |name: &String| {
        !known.is_some_and(|known| known.iter().any(|other| other == name.as_str()))
    };
    let names: Vec<String> = args.texts("entries").into_iter().filter(is_new).collect();
    if names.is_empty() {
        return Ok(json!(format!("No additional hosts were added to {path}")));
    }
    let line = format!("\n{address} {}", names.join(" "));
    let append = || {
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)?
            .write_all(line.as_bytes())
    };
    append().map_err(|error| Failure::io(&path, error))?;
    Ok(json!(format!(
        "The following line was added to {path}:{line}"
    )))
}

fn hosts_remove(args: &Args, _: &Env) -> Answer {
    let path = args.text("hostsfile")?;
    let names = args.texts("entries");
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::io(&path, error))?;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim().is_empty() || line.trim().starts_with('#') {
            kept.push_str(&format!("{line}\n"));
            continue;
        }
        let mut words = line.split_whitespace();
        let address = words.next().unwrap_or_default();
        let left: Vec<&str> = words
            .filter(|word| !names.iter().any(|name| name == word))
            .collect();
        if !left.is_empty() {
            kept.push_str(&format!("{address} {}\n", left.join(" ")));
        }
    }
    std::fs::write(&path, kept).map_err(|error| Failure::io(&path, error))?;
    Ok(Value::Null)
}

fn hosts(text: &str) -> Map<String, Value> {
    let mut found: Map<String, Value> = Map::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let Some(address) = words.next() else {
            continue;
        };
        let names = found.entry(address).or_insert_with(|| json!([]));
        if let Value::Array(names) = names {
            names.extend(words.map(|name| json!(name)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn hosts_are_read() {
        let host = Host::new();
        let file = host.write(
            "hosts",
            "# c\n127.0.0.1 localhost a\n\n::1 localhost\n127.0.0.1 b\n",
        );
        assert_eq!(
            host.call(Call::new("dnsutil.parse_hosts").arg(file)).value,
            json!({"127.0.0.1": ["localhost", "a", "b"], "::1": ["localhost"]})
        );
        let missing = Call::new("dnsutil.parse_hosts").arg(host.path("none"));
        assert_eq!(
            host.call(missing).value,
            json!("Error: hosts data was not found")
        );
    }

    #[test]
    fn serials_count() {
        let host = Host::new();
        let call = |update: bool| {
            let call = Call::new("dnsutil.serial").arg("z").kwarg("update", update);
            host.call(call).value.as_str().unwrap().to_owned()
        };
        let today = call(false);
        assert!(today.len() == 10 && today.ends_with("01"), "{today}");
        let mut grains = (*crate::Context::grains(&host)).clone();
        grains["dnsserial_z"] = json!("9999010107");
        *host.grains.lock().unwrap() = std::sync::Arc::new(grains);
        assert_eq!(call(false), "9999010107");
        assert_eq!(call(true), "9999010108");
    }

    #[test]
    fn hosts_are_changed() {
        let host = Host::new();
        let file = host.write("hosts", "127.0.0.1 localhost a\n# note\n192.0.2.1 b c");
        let call = |name: &str| Call::new(format!("dnsutil.{name}")).arg(file.as_str());
        let append = call("hosts_append").arg("192.0.2.1").arg("c,d");
        assert_eq!(
            host.call(append.clone()).value,
            json!(format!(
                "The following line was added to {file}:\n192.0.2.1 d"
            ))
        );
        assert_eq!(
            host.call(append).value,
            json!(format!("No additional hosts were added to {file}"))
        );
        assert!(host.call(call("hosts_remove").arg("a,b,d")).success);
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "127.0.0.1 localhost\n# note\n192.0.2.1 c\n"
        );
    }
}
