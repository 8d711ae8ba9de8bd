text: two
map:
  b: {y: 2}
  c: 3
list: [3]
changes_type: [1]
{% if grains['id'] == 'minion' %}
by_id: yes
{% endif %}
