{% if %}
x:
  test.nop: []
