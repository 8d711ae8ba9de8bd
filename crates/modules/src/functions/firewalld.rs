//! `firewalld`: zones and services of the firewall daemon, through its program.

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::process::query;

const ZONE: &str = "zone, permanent=True";
const ANY_ZONE: &str = "zone=None, permanent=True";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "firewalld.add_interface",
        "zone, interface, permanent=True",
        "Bind an interface to a zone.",
        "firewalld.add_interface zone eth0",
        |args, env| change(args, env, "--add-interface", "interface"),
    ),
    Function::new(
        "firewalld.add_masquerade",
        ANY_ZONE,
        "Masquerade what leaves through a zone.",
        "firewalld.add_masquerade dmz",
        |args, env| said(args, env, &["--add-masquerade"]),
    ),
    Function::new(
        "firewalld.add_port",
        "zone, port, permanent=True, force_masquerade=False",
        "Open a port of a zone. force_masquerade: masquerade too.",
        "firewalld.add_port internal 443/tcp",
        |args, env| {
            masqueraded(args, env)?;
            change(args, env, "--add-port", "port")
        },
    ),
    Function::new(
        "firewalld.add_port_fwd",
        "zone, src, dest, proto='tcp', dstaddr='', permanent=True, force_masquerade=False",
        "Forward a port of a zone. force_masquerade: masquerade too.",
        "firewalld.add_port_fwd public 80 443 tcp",
        |args, env| {
            masqueraded(args, env)?;
            forward(args, env, "--add-forward-port")
        },
    ),
    Function::new(
        "firewalld.add_rich_rule",
        "zone, rule, permanent=True",
        "Add a rich rule to a zone.",
        "firewalld.add_rich_rule zone 'rule'",
        |args, env| change(args, env, "--add-rich-rule", "rule"),
    ),
    Function::new(
        "firewalld.add_service",
        "service, zone=None, permanent=True",
        "Let a service through a zone.",
        "firewalld.add_service ssh my_zone",
        |args, env| change(args, env, "--add-service", "service"),
    ),
    Function::new(
        "firewalld.add_service_port",
        "service, port",
        "Add a port to a service.",
        "firewalld.add_service_port zone 80",
        |args, env| {
            existing(args, env)?;
            of_service(args, env, &format!("--add-port={}", args.text("port")?))
        },
    ),
    Function::new(
        "firewalld.add_service_protocol",
        "service, protocol",
        "Add a protocol to a service.",
        "firewalld.add_service_protocol zone ssh",
        |args, env| {
            of_service(
                args,
                env,
                &format!("--add-protocol={}", args.text("protocol")?),
            )
        },
    ),
    Function::new(
        "firewalld.add_source",
        "zone, source, permanent=True",
        "Bind a source to a zone.",
        "firewalld.add_source zone 192.168.1.0/24",
        |args, env| change(args, env, "--add-source", "source"),
    ),
    Function::new(
        "firewalld.allow_icmp",
        "zone, icmp, permanent=True",
        "Let a type of ICMP through a zone; false for an unknown one.",
        "firewalld.allow_icmp zone echo-reply",
        |args, env| icmp(args, env, false),
    ),
    Function::new(
        "firewalld.block_icmp",
        "zone, icmp, permanent=True",
        "Block a type of ICMP in a zone; false for an unknown one.",
        "firewalld.block_icmp zone echo-reply",
        |args, env| icmp(args, env, true),
    ),
    Function::new(
        "firewalld.default_zone",
        "",
        "The zone of what has none.",
        "firewalld.default_zone",
        |_, env| Ok(json!(firewall(env, &["--get-default-zone"])?)),
    ),
    Function::new(
        "firewalld.delete_service",
        "name, restart=True",
        "Delete a service.",
        "firewalld.delete_service my_service",
        |args, env| manage(args, env, "--delete-service", "name"),
    ),
    Function::new(
        "firewalld.delete_zone",
        "zone, restart=True",
        "Delete a zone.",
        "firewalld.delete_zone my_zone",
        |args, env| manage(args, env, "--delete-zone", "zone"),
    ),
    Function::new(
        "firewalld.get_icmp_types",
        "permanent=True",
        "The known types of ICMP.",
        "firewalld.get_icmp_types",
        |args, env| words(args, env, "--get-icmptypes"),
    ),
    Function::new(
        "firewalld.get_interfaces",
        ZONE,
        "The interfaces of a zone.",
        "firewalld.get_interfaces zone",
        |args, env| words(args, env, "--list-interfaces"),
    ),
    Function::new(
        "firewalld.get_masquerade",
        ANY_ZONE,
        "Whether a zone masquerades.",
        "firewalld.get_masquerade zone",
        |args, env| Ok(json!(masquerades(args, env)?)),
    ),
    Function::new(
        "firewalld.get_rich_rules",
        ZONE,
        "The rich rules of a zone.",
        "firewalld.get_rich_rules zone",
        |args, env| {
            let told = told(args, env, &["--list-rich-rules"])?;
            Ok(told.lines().map(Value::from).collect())
        },
    ),
    Function::new(
        "firewalld.get_service_ports",
        "service",
        "The ports of a service.",
        "firewalld.get_service_ports zone",
        |args, env| Ok(split(&of_service(args, env, "--get-ports")?)),
    ),
    Function::new(
        "firewalld.get_service_protocols",
        "service",
        "The protocols of a service.",
        "firewalld.get_service_protocols zone",
        |args, env| Ok(split(&of_service(args, env, "--get-protocols")?)),
    ),
    Function::new(
        "firewalld.get_services",
        "permanent=True",
        "The known services.",
        "firewalld.get_services",
        |args, env| words(args, env, "--get-services"),
    ),
    Function::new(
        "firewalld.get_sources",
        ZONE,
        "The sources of a zone.",
        "firewalld.get_sources zone",
        |args, env| words(args, env, "--list-sources"),
    ),
    Function::new(
        "firewalld.get_zones",
        "permanent=True",
        "The names of the zones.",
        "firewalld.get_zones",
        |args, env| words(args, env, "--get-zones"),
    ),
    Function::new(
        "firewalld.list_all",
        ANY_ZONE,
        "All that a zone has.",
        "firewalld.list_all my_zone",
        |args, env| Ok(Value::Object(zones(&told(args, env, &["--list-all"])?))),
    ),
    Function::new(
        "firewalld.list_icmp_block",
        ZONE,
        "The types of ICMP that a zone blocks.",
        "firewalld.list_icmp_block zone",
        |args, env| words(args, env, "--list-icmp-blocks"),
    ),
    Function::new(
        "firewalld.list_port_fwd",
        ZONE,
        "The ports that a zone forwards.",
        "firewalld.list_port_fwd public",
        |args, env| {
            let told = told(args, env, &["--list-forward-ports"])?;
            Ok(told.lines().filter_map(forwarded).collect())
        },
    ),
    Function::new(
        "firewalld.list_ports",
        ZONE,
        "The open ports of a zone.",
        "firewalld.list_ports zone",
        |args, env| words(args, env, "--list-ports"),
    ),
    Function::new(
        "firewalld.list_services",
        ANY_ZONE,
        "The services that a zone lets through.",
        "firewalld.list_services my_zone",
        |args, env| words(args, env, "--list-services"),
    ),
    Function::new(
        "firewalld.list_zones",
        "permanent=True",
        "All zones with all that they have.",
        "firewalld.list_zones",
        |args, env| {
            Ok(Value::Object(zones(&told(
                args,
                env,
                &["--list-all-zones"],
            )?)))
        },
    ),
    Function::new(
        "firewalld.make_permanent",
        "",
        "Keep what runs over a restart.",
        "firewalld.make_permanent",
        |_, env| Ok(json!(firewall(env, &["--runtime-to-permanent"])?)),
    ),
    Function::new(
        "firewalld.new_service",
        "name, restart=True",
        "Make a service.",
        "firewalld.new_service my_service",
        |args, env| manage(args, env, "--new-service", "name"),
    ),
    Function::new(
        "firewalld.new_zone",
        "zone, restart=True",
        "Make a zone.",
        "firewalld.new_zone my_zone",
        |args, env| manage(args, env, "--new-zone", "zone"),
    ),
    Function::new(
        "firewalld.reload_rules",
        "",
        "Put in force what is permanent.",
        "firewalld.reload_rules",
        |_, env| Ok(json!(firewall(env, &["--reload"])?)),
    ),
    Function::new(
        "firewalld.remove_interface",
        "zone, interface, permanent=True",
        "Unbind an interface from a zone.",
        "firewalld.remove_interface zone eth0",
        |args, env| change(args, env, "--remove-interface", "interface"),
    ),
    Function::new(
        "firewalld.remove_masquerade",
        ANY_ZONE,
        "Masquerade no more what leaves through a zone.",
        "firewalld.remove_masquerade dmz",
        |args, env| said(args, env, &["--remove-masquerade"]),
    ),
    Function::new(
        "firewalld.remove_port",
        "zone, port, permanent=True",
        "Close a port of a zone.",
        "firewalld.remove_port internal 443/tcp",
        |args, env| change(args, env, "--remove-port", "port"),
    ),
    Function::new(
        "firewalld.remove_port_fwd",
        "zone, src, dest, proto='tcp', dstaddr='', permanent=True",
        "Forward a port of a zone no more.",
        "firewalld.remove_port_fwd public 80 443 tcp",
        |args, env| forward(args, env, "--remove-forward-port"),
    ),
    Function::new(
        "firewalld.remove_rich_rule",
        "zone, rule, permanent=True",
        "Remove a rich rule from a zone.",
        "firewalld.remove_rich_rule zone 'rule'",
        |args, env| change(args, env, "--remove-rich-rule", "rule"),
    ),
    Function::new(
        "firewalld.remove_service",
        "service, zone=None, permanent=True",
        "Let a service through a zone no more.",
        "firewalld.remove_service ssh my_zone",
        |args, env| change(args, env, "--remove-service", "service"),
    ),
    Function::new(
        "firewalld.remove_service_port",
        "service, port",
        "Remove a port from a service.",
        "firewalld.remove_service_port zone 80",
        |args, env| {
            existing(args, env)?;
            of_service(args, env, &format!("--remove-port={}", args.text("port")?))
        },
    ),
    Function::new(
        "firewalld.remove_service_protocol",
        "service, protocol",
        "Remove a protocol from a service.",
        "firewalld.remove_service_protocol zone ssh",
        |args, env| {
            of_service(
                args,
                env,
                &format!("--remove-protocol={}", args.text("protocol")?),
            )
        },
    ),
    Function::new(
        "firewalld.remove_source",
        "zone, source, permanent=True",
        "Unbind a source from a zone.",
        "firewalld.remove_source zone 192.168.1.0/24",
        |args, env| change(args, env, "--remove-source", "source"),
    ),
    Function::new(
        "firewalld.set_default_zone",
        "zone",
        "Set the zone of what has none.",
        "firewalld.set_default_zone damian",
        |args, env| {
            let option = format!("--set-default-zone={}", args.text("zone")?);
            Ok(json!(firewall(env, &[&option])?))
        },
    ),
    Function::new(
        "firewalld.version",
        "",
        "The version of firewalld.",
        "firewalld.version",
        |_, env| Ok(json!(firewall(env, &["--version"])?)),
    ),
];

/// What the program answers.
fn firewall(env: &Env, options: &[&str]) -> Result<String, Failure> {
    let done = query(&[&["firewall-cmd"], options].concat(), env.cancel)?;
    let (out, error) = (done.stdout.trim_end(), done.stderr.trim_end());
    if done.retcode != 0 {
        let said = if error.is_empty() { out } else { error };
        return Err(Failure::command(format!("firewall-cmd failed: {said}")));
    }
    Ok(out.to_owned())
}

/// The answer for the zone of the call, of what is permanent or of what runs, as the call says.
fn told(args: &Args, env: &Env, options: &[&str]) -> Result<String, Failure> {
    let zone = if args.flag("zone") {
        Some(format!("--zone={}", args.text("zone")?))
    } else {
        None
    };
    let mut line: Vec<&str> = zone.iter().map(String::as_str).collect();
    line.extend(options);
    if args.flag("permanent") {
        line.push("--permanent");
    }
    firewall(env, &line)
}

fn said(args: &Args, env: &Env, options: &[&str]) -> Answer {
    Ok(json!(told(args, env, options)?))
}

fn words(args: &Args, env: &Env, option: &str) -> Answer {
    Ok(split(&said(args, env, &[option])?))
}

/// The words of a text as a list.
fn split(text: &Value) -> Value {
    let text = text.as_str().unwrap_or_default();
    text.split_whitespace().map(Value::from).collect()
}

fn change(args: &Args, env: &Env, option: &str, parameter: &str) -> Answer {
    said(args, env, &[&format!("{option}={}", args.text(parameter)?)])
}

/// Makes or deletes a zone or a service, and puts it in force when the call says so.
fn manage(args: &Args, env: &Env, option: &str, parameter: &str) -> Answer {
    let option = format!("{option}={}", args.text(parameter)?);
    let answer = firewall(env, &[&option, "--permanent"])?;
    if args.flag("restart") && answer == "success" {
        return Ok(json!(firewall(env, &["--reload"])?));
    }
    Ok(json!(answer))
}

fn of_service(args: &Args, env: &Env, option: &str) -> Answer {
    let service = format!("--service={}", args.text("service")?);
    Ok(json!(firewall(env, &["--permanent", &service, option])?))
}

fn existing(args: &Args, env: &Env) -> Result<(), Failure> {
    let known = firewall(env, &["--get-services", "--permanent"])?;
    let service = args.text("service")?;
    if known.split_whitespace().any(|known| known == service) {
        return Ok(());
    }
    Err(Failure::command("The service does not exist."))
}

fn masquerades(args: &Args, env: &Env) -> Result<bool, Failure> {
    let zones = zones(&told(args, env, &["--list-all"])?);
    Ok(zones.values().all(|zone| zone["masquerade"][0] != "no"))
}

/// Masquerades the zone of the call when it says so.
fn masqueraded(args: &Args, env: &Env) -> Result<(), Failure> {
    if args.flag("force_masquerade") && !masquerades(args, env)? {
        told(args, env, &["--add-masquerade"])?;
    }
    Ok(())
}

fn forward(args: &Args, env: &Env, option: &str) -> Answer {
    let rule = format!(
        "{option}=port={}:proto={}:toport={}:toaddr={}",
        args.text("src")?,
        args.text("proto")?,
        args.text("dest")?,
        args.text("dstaddr")?
    );
    said(args, env, &[&rule])
}

fn forwarded(line: &str) -> Option<Value> {
    let mut values = line
        .splitn(4, ':')
        .filter_map(|part| part.split_once('='))
        .map(|(_, value)| value);
    let (source, protocol) = (values.next()?, values.next()?);
    let (destination, address) = (values.next()?, values.next()?);
    Some(json!({
        "Source port": source, "Protocol": protocol, "Destination port": destination, "Destination address": address,
    }))
}

fn icmp(args: &Args, env: &Env, is_to_block: bool) -> Answer {
    let kind = args.text("icmp")?;
    let holds = |text: &str| text.split_whitespace().any(|known| known == kind);
    let mut types = vec!["--get-icmptypes"];
    if args.flag("permanent") {
        types.push("--permanent");
    }
    if !holds(&firewall(env, &types)?) {
        tracing::error!("{kind} is no type of ICMP");
        return Ok(json!(false));
    }
    if holds(&told(args, env, &["--list-icmp-blocks"])?) == is_to_block {
        return Ok(json!("success"));
    }
    let option = if is_to_block {
        "--add-icmp-block"
    } else {
        "--remove-icmp-block"
    };
    change(args, env, option, "icmp")
}

/// Zones as the program lists them: a line with the name, below it keys with values; more values stand on lines of their own.
fn zones(text: &str) -> Map<String, Value> {
    let mut zones = Map::new();
    let (mut zone, mut key) = (String::new(), String::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            zone = line.trim_end().to_owned();
            zones.insert(zone.clone(), json!({}));
        } else if line.starts_with('\t') {
            if let Some(values) = zones[zone.as_str()][key.as_str()].as_array_mut() {
                values.push(json!(line.trim()));
            }
        } else if let Some((name, value)) = line.split_once(':') {
            key = name.trim().to_owned();
            zones[zone.as_str()][key.as_str()] = json!([value.trim()]);
        }
    }
    zones
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::call::Call;
    use crate::testing::Host;

    /// A firewall-cmd with the zones `public` and `dmz` that keeps lists in files and notes its calls.
    pub(crate) fn fake(host: &Host) {
        let script = r#"kept=DIR; mkdir -p $kept; echo "$*" >> $kept/calls
        zone=public
        for option; do case "$option" in
        --permanent) ;;
        --zone=*) zone=${option#--zone=};;
        --service=*) zone=service-${option#--service=};;
        --get-zones) echo "public dmz"; cat $kept/zones 2>/dev/null;;
        --new-zone=*) echo "${option#*=}" >> $kept/zones; echo success;;
        --get-services) echo "ssh dhcp"; cat $kept/services 2>/dev/null;;
        --new-service=*) echo "${option#*=}" >> $kept/services; echo success;;
        --get-icmptypes) echo "echo-reply echo-request";;
        --get-default-zone) cat $kept/default 2>/dev/null || echo public;;
        --set-default-zone=*) echo "${option#*=}" > $kept/default; echo success;;
        --list-all) printf 'public (active)\n  target: default\n  masquerade: %s\n  rich rules: \n\trule one\n' "$(cat $kept/$zone-masquerade 2>/dev/null || echo no)";;
        --add-masquerade) echo yes > $kept/$zone-masquerade; echo success;;
        --remove-masquerade) rm $kept/$zone-masquerade; echo success;;
        --list-*|--get-ports|--get-protocols) list=${option#--*-}; cat $kept/$zone-${list%s} 2>/dev/null;;
        --add-port=bad*) echo "Error: INVALID_PORT: bad" >&2; exit 102;;
        --add-*) list=${option%%=*}; echo "${option#*=}" >> $kept/$zone-${list#--add-}; echo success;;
        --remove-*) list=${option%%=*}; file=$kept/$zone-${list#--remove-}; grep -vxF -- "${option#*=}" $file > $file.new; mv $file.new $file; echo success;;
        --reload) echo success;;
        esac; done; exit 0"#;
        host.program("firewall-cmd", &script.replace("DIR", &host.path("kept")));
    }

    #[test]
    fn zones_are_asked_and_changed() {
        let host = Host::new();
        let _root = host.lend_root();
        fake(&host);
        let call = |call: Call| host.call(call).value;
        let zone = |fun: &str| Call::new(fun).arg("dmz");
        assert_eq!(
            call(Call::new("firewalld.get_zones")),
            json!(["public", "dmz"])
        );
        assert_eq!(call(zone("firewalld.list_ports")), json!([]));
        assert_eq!(
            call(zone("firewalld.add_port").arg("80/tcp")),
            json!("success")
        );
        assert_eq!(call(zone("firewalld.list_ports")), json!(["80/tcp"]));
        let forward = zone("firewalld.add_port_fwd").arg(80).arg(8080);
        assert_eq!(call(forward), json!("success"));
        let calls = std::fs::read_to_string(host.path("kept/calls")).unwrap();
        let last = calls.lines().last().unwrap();
        assert_eq!(
            last,
            "--zone=dmz --add-forward-port=port=80:proto=tcp:toport=8080:toaddr= --permanent"
        );
        let all = call(Call::new("firewalld.list_all"));
        assert_eq!(
            all["public (active)"]["rich rules"],
            json!(["", "rule one"])
        );
        assert_eq!(call(zone("firewalld.block_icmp").arg("x")), json!(false));
        assert_eq!(
            call(zone("firewalld.add_port").arg("bad")),
            json!("ERROR: firewall-cmd failed: Error: INVALID_PORT: bad")
        );
        assert_eq!(
            call(
                Call::new("firewalld.add_service_port")
                    .arg("none")
                    .arg("1/tcp")
            ),
            json!("ERROR: The service does not exist.")
        );
    }

    #[test]
    fn forwarded_ports_are_read() {
        assert_eq!(
            forwarded("port=80:proto=tcp:toport=443:toaddr=::1"),
            Some(json!({
                "Source port": "80", "Protocol": "tcp", "Destination port": "443", "Destination address": "::1",
            }))
        );
    }
}
