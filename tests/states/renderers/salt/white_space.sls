{%- set items = ['a', 'b'] -%}
{% for item in items %}
state_{{ item }}:
  test.show_notification:
    - text: |
        line one {{ item }}
          indented
        last
    - name: >-
        folded
        name {{ item }}
{% endfor %}
plain_types:
  test.configurable_test_state:
    - comment: "{{ [true, 1.5, none, 'x'] }}"
    - changes: no
    - result: yes
