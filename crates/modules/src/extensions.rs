//! What Salt 3008 has no longer in its core: which of its extensions hold it, by their names on PyPI.

/// State modules. A name that ends with `*` stands for all that begin so.
const STATES: &[(&str, &[&str])] = &[
    ("saltext-acme", &["acme"]),
    ("saltext-boto3", &["boto3_*"]),
    ("saltext-consul", &["consul"]),
    (
        "saltext-dockermod",
        &[
            "docker_container",
            "docker_image",
            "docker_network",
            "docker_volume",
        ],
    ),
    ("saltext-elasticsearch", &["elasticsearch"]),
    ("saltext-grafana", &["grafana", "grafana_*", "grafana4_*"]),
    ("saltext-influxdb", &["influxdb_*", "influxdb08_*"]),
    ("saltext-kubernetes", &["kubernetes"]),
    ("saltext-mongodb", &["mongodb_*"]),
    (
        "saltext-mysql",
        &[
            "mysql_database",
            "mysql_grants",
            "mysql_query",
            "mysql_user",
        ],
    ),
    ("saltext-pagerduty", &["pagerduty", "pagerduty_*"]),
    ("saltext-redis", &["redis"]),
    ("saltext-splunk", &["splunk", "splunk_search"]),
    ("saltext-vault", &["vault", "vault_*"]),
    ("saltext-zabbix", &["zabbix_*"]),
    ("saltext-zfs", &["zfs", "zpool"]),
    ("saltext-zookeeper", &["zk_concurrency", "zookeeper"]),
];

/// The extension that has a state function; none where that is not known.
pub(crate) fn of_state(fun: &str) -> Option<&'static str> {
    let module = fun.split('.').next().unwrap_or_default();
    let has = |names: &[&str]| {
        names.iter().any(|name| match name.strip_suffix('*') {
            Some(prefix) => module.starts_with(prefix),
            None => module == *name,
        })
    };
    STATES
        .iter()
        .find_map(|(extension, names)| has(names).then_some(*extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;
    use serde_json::json;

    #[test]
    fn extensions_are_named() {
        let check =
            |fun: &str, extension: Option<&str>| assert_eq!(of_state(fun), extension, "{fun}");
        check("docker_container.running", Some("saltext-dockermod"));
        check("mysql_user.present", Some("saltext-mysql"));
        check("boto3_route53.present", Some("saltext-boto3"));
        check("vault.policy_present", Some("saltext-vault"));
        check("vaults.x", None);
        check("file.managed", None);
    }

    #[test]
    fn an_unknown_state_says_where_it_would_be_found() {
        let host = Host::new();
        let check = |fun: &str, args, expected: &str| {
            let returned = host.state(fun, args, false);
            assert_eq!(
                (returned.result, returned.comment.as_str()),
                (Some(false), expected)
            );
        };
        check(
            "docker_container.running",
            json!({"name": "a", "__sls__": "web"}),
            "State 'docker_container.running' was not found in SLS 'web'\n\
             Reason: 'docker_container.running' is not available: it is part of the Salt extension saltext-dockermod.\n",
        );
        check(
            "nope.done",
            json!({"name": "a", "__sls__": "web"}),
            "State 'nope.done' was not found in SLS 'web'\nReason: 'nope.done' is not available.\n",
        );
        check(
            "nope.done",
            json!({"name": "a"}),
            "Specified state 'nope.done' was not found\n",
        );
    }
}
