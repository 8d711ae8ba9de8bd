//! `firewall`: whether something lets connections through.

use serde_json::Value;

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction, returned};
use crate::call::Call;
use crate::python;

pub(super) const STATES: &[StateFunction] = &[StateFunction::new(
    "firewall.check",
    "name, port=None, **kwargs",
    "Succeed when a connection can be made. name: the host; proto: tcp; family: ipv4 or ipv6; timeout in seconds; test: make none.",
    check,
)];

fn check(args: &Args, env: &StateEnv) -> StateAnswer {
    let mut others = args.extra_kwargs.clone();
    let test = others.shift_remove("test");
    if test.map_or(env.is_test, |test| python::truthy(&test)) {
        return Ok(returned(true, "The connection will be tested"));
    }
    if let Some(proto) = others.shift_remove("proto").filter(|proto| proto != "tcp") {
        let text = format!(
            "'{}' is not served: proto must be tcp",
            python::text(&proto)
        );
        return Err(Failure::invocation(text));
    }
    let mut connect = Call::new("network.connect")
        .arg(args.value("name").clone())
        .arg(args.value("port").clone());
    connect.kwargs.extend(others);
    let answer = env.call(&connect)?;
    let comment = answer["comment"].as_str().unwrap_or_default();
    Ok(returned(
        answer.get("result").and_then(Value::as_bool),
        comment,
    ))
}

#[cfg(test)]
mod tests {
    use crate::testing::Host;
    use serde_json::json;

    #[test]
    fn connections_are_tried() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = Host::new();
        let args = json!({"name": "127.0.0.1", "port": port, "proto": "tcp"});
        let done = host.state("firewall.check", args.clone(), false);
        let comment = format!("Successfully connected to 127.0.0.1 (127.0.0.1) on tcp port {port}");
        assert_eq!((done.result, done.comment), (Some(true), comment));
        let foretold = host.state("firewall.check", args, true);
        assert_eq!(foretold.comment, "The connection will be tested");
        drop(listener);
        let gone = json!({"name": "127.0.0.1", "port": port, "timeout": 2});
        assert_eq!(
            host.state("firewall.check", gone, false).result,
            Some(false)
        );
    }
}
