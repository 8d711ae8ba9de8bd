include:
  - more
{% from 'map.jinja' import origin %}
tools:
  test.show_notification:
    - text: "{{ saltenv }} {{ origin }}"
