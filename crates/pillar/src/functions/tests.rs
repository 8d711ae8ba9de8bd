use super::*;
use serde_json::json;

#[track_caller]
fn check(template: &str, expected: &str) {
    assert_eq!(rendered(template).as_deref(), Ok(expected), "{template}");
}

#[track_caller]
fn refused(template: &str, expected: &str) {
    let error = rendered(template).unwrap_err();
    assert!(error.contains(expected), "{template}: {error}");
}

fn rendered(template: &str) -> Result<String, String> {
    let grains =
        json!({"os_family": "Debian", "roles": ["web", "db"], "a": {"b": 1}, "ipv4": ["10.1.2.3"]});
    let options = json!({"nodegroups": {"g": "web*"}, "a": {"c": 2}, "id": "web1"});
    let pillar = Rc::new(json!({"p": {"x": 1, "l": [1]}}));
    let hub = Hub::new("web1", &grains, &options, pillar.clone());
    let renderer = sls::render::Renderer {
        files: &NoFiles,
        functions: &hub,
        foreign: &sls::render::NoForeign,
        grains: &grains,
        pillar: &pillar,
        opts: &options,
    };
    let source = sls::render::Source {
        path: "x",
        text: template.as_bytes(),
        ..sls::render::Source::default()
    };
    renderer
        .template(&source)
        .map_err(|error| error.to_string())
}

struct NoFiles;

impl sls::render::Files for NoFiles {
    fn read(&self, _: &str, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

#[test]
fn grains_and_pillar() {
    check("{{ salt['grains.get']('a:b') }}", "1");
    check("{{ salt['grains.get']('none', 'd') }}", "d");
    check("{{ salt['grains.get']('none', none) }}", "None");
    check("[{{ salt.grains.get('none') }}]", "[]");
    check(
        "{{ salt['grains.item']('os_family', 'none') }}",
        "{'os_family': 'Debian', 'none': ''}",
    );
    check("{{ salt['grains.has_value']('a:c') }}", "False");
    check(
        "{{ salt['grains.filter_by']({'Deb*': 1, 'default': 2}) }}",
        "1",
    );
    check(
        "{{ salt['grains.filter_by']({'x': 1, 'y': 2}, default='y') }}",
        "2",
    );
    check(
        "{{ salt['grains.filter_by']({'db': {'k': 1}}, grain='roles', merge={'l': 2}) }}",
        "{'k': 1, 'l': 2}",
    );
    check(
        "{{ salt['pillar.get']('p:x') }}{{ salt.pillar.get('q', 7) }}",
        "17",
    );
    check(
        "{{ salt['pillar.get']('p', {'x': 0, 'y': 2, 'l': [0]}, merge=True) }}",
        "{'x': 1, 'y': 2, 'l': [1]}",
    );
    check("{{ salt['pillar.keys']('p') }}", "['x', 'l']");
    refused("{{ salt['pillar.keys']('q') }}", "there is no key q");
    check(
        "{{ salt['config.get']('a:c') }}{{ salt['config.get']('a:b') }}{{ salt['config.get']('p:x') }}",
        "211",
    );
    check(
        "{{ salt['config.get']('a', merge='recurse') }}",
        "{'b': 1, 'c': 2}",
    );
}

#[test]
fn trees_and_texts() {
    check(
        "{{ salt['slsutil.merge']({'a': {'b': 1}}, {'a': {'c': 2}}) }}",
        "{'a': {'b': 1, 'c': 2}}",
    );
    refused(
        "{{ salt['slsutil.merge']({'a': 1}, [1]) }}",
        "Cannot update using non-dict types",
    );
    check(
        "{{ salt['slsutil.merge_all']([{'a': [1]}, {'a': [2]}], merge_lists=True) }}",
        "{'a': [1, 2]}",
    );
    check(
        "{{ salt['slsutil.serialize']('json', {'a': [1]}) }}",
        "{\"a\": [1]}",
    );
    check(
        "{{ salt['slsutil.deserialize']('yaml', 'a: yes') }}",
        "{'a': True}",
    );
    check(
        "{{ salt['slsutil.boolstr'](1) }}{{ salt['slsutil.boolstr'](0, 'y', 'n') }}",
        "truen",
    );
    check("{{ salt['defaults.merge']({'a': 1}, none) }}", "{'a': 1}");
    check(
        "{{ salt['defaults.update']({'x': {'a': 1}}, {'b': 2}) }}",
        "{'x': {'b': 2, 'a': 1}}",
    );
    check(
        "{{ salt['hashutil.md5_digest']('abc') }}",
        "900150983cd24fb0d6963f7d28e17f72",
    );
    check(
        "{{ salt['hashutil.digest']('abc', 'sha1') }}",
        "a9993e364706816aba3e25717850c26c9cd0d89d",
    );
    check(
        "{{ salt['hashutil.base64_b64decode'](salt['hashutil.base64_b64encode']('ü')) }}",
        "ü",
    );
}

#[test]
fn targets() {
    check(
        "{{ salt['match.compound']('G@os_family:Debian and web*') }}",
        "True",
    );
    check(
        "{{ salt['match.compound']('N@g', minion_id='db1') }}",
        "False",
    );
    check("{{ salt['match.grain']('a;b;1', delimiter=';') }}", "True");
    check(
        "{{ salt['match.list']('a,web1') }}{{ salt.match.pcre('web[0-9]') }}",
        "TrueTrue",
    );
    check(
        "{{ salt['match.ipcidr']('10.0.0.0/8') }}{{ salt['match.ipcidr']('x') }}",
        "TrueFalse",
    );
    check("{{ salt['match.filter_by']({'db*': 1, 'web*': 2}) }}", "2");
    check(
        "{{ salt['match.ifelse']('db*', 1, 'web*', 2, 3) }}{{ salt['match.ifelse']('db*', 1, false, 2, 3) }}",
        "23",
    );
    check(
        "{{ salt['match.search_by']({'a': ['db*'], 'b': ['web*']}) }}",
        "['b']",
    );
}

#[test]
fn what_needs_the_host_is_not_there() {
    refused(
        "{{ salt['cmd.run']('id') }}",
        "'cmd.run' is not available where a pillar is compiled, at a hub",
    );
    refused(
        "{{ salt.cmd.run('id') }}",
        "'cmd.run' is not available where a pillar is compiled, at a hub",
    );
    check(
        "{{ 'cmd.run' in salt }}{{ 'grains.get' in salt }}",
        "FalseTrue",
    );
    refused(
        "{{ salt['grains.get']() }}",
        "missing required argument: 'key'",
    );
    refused(
        "{{ salt['grains.get']('a', nope=1) }}",
        "unexpected keyword argument 'nope'",
    );
    let hub_names: Vec<String> = Hub::names().collect();
    assert!(hub_names.contains(&"match.compound".to_owned()));
}

#[test]
fn logs_are_kept() {
    let (grains, options) = (json!({}), json!({}));
    let hub = Hub::new("m", &grains, &options, Rc::new(json!({})));
    let _ = hub.call("log.warning", &[json!("w")], &Map::new());
    assert_eq!(hub.logged(), [("warning", "w".to_owned())]);
}
