#!jinja|yaml
{% set ns = namespace(total=0, names=[]) %}
{% for n in range(1, 5) if n is not even %}
{% set ns.total = ns.total + n %}
{% do ns.names.append('n%02d' | format(n)) %}
loop_{{ n }}:
  test.show_notification:
    - text: "{{ loop.index }} of {{ loop.length }}, first {{ loop.first }}, last {{ loop.last }}, {{ loop.cycle('odd', 'even') }}"
{% else %}
nothing:
  test.nop: []
{% endfor %}
total:
  test.show_notification:
    - text: {{ ns.total }} {{ ns.names | join(',') }}
{% macro state(name, args=[], kind='nop') -%}
{{ name }}:
  test.{{ kind }}:
  {%- for arg in args %}
    - {{ arg }}
  {%- else %} []
  {%- endfor %}
{%- endmacro %}
{{ state('by_macro') }}
{{ state('by_macro_with', ['order: 3', 'text: "x"'], kind='show_notification') }}
{%- for key, value in {'b': 2, 'a': 1} | dictsort %}
sorted_{{ key }}:
  test.show_notification:
    - text: "{{ '%s=%d' | format(key, value) }}"
{%- endfor %}
{%- raw %}
raw:
  test.show_notification:
    - text: "{{ not rendered }}"
{%- endraw %}
{# a comment #}
inline_if:
  test.show_notification:
    - text: said {{ 'yes' if 1 in [1, 2] and not false else 'no' }}
slices:
  test.show_notification:
    - text: "{{ 'abcdef'[1:4] }} {{ [1, 2, 3][-1] }} {{ 'x' * 3 }} {{ 7 // 2 }} {{ 2 ** 5 }} {{ -7 % 3 }} {{ 1 / 2 }}"
# Line comments and statements of the environment
methods:
  test.show_notification:
    - text: "{{ 'a-b'.split('-') }} {{ ' x '.strip() }} {{ {'k': 1}.get('z', 'none') }} {{ 'Ab'.lower().upper() }} {{ 'a,b'.replace(',', ';') }}"
