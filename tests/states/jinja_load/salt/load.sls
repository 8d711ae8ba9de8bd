{% import_yaml 'defaults.yaml' as defaults %}
{% import_json 'data.json' as data %}
{% import_text 'plain.txt' as text %}
{% load_yaml as inline %}
name: {{ defaults.packages.Debian.name }}
enabled: yes
mode: 0644
octal: 0o17
list: [a, 'b']
{% endload %}
{% load_json as parsed %}{"deep": {"er": [1]}}{% endload %}
{% load_text as words %}  some words {% endload %}
values:
  test.configurable_test_state:
    - changes: false
    - comment: {{ (inline | tojson) | yaml_dquote }}
data:
  test.show_notification:
    - text: {{ (data | json) | yaml_squote }}
text:
  test.show_notification:
    - text: {{ text | yaml_encode }}
words:
  test.show_notification:
    - text: {{ words | yaml_dquote }}
parsed:
  test.show_notification:
    - text: "{{ parsed.deep.er }}"
ports:
  test.nop:
    - names: {{ defaults.packages.Debian.ports | yaml }}
