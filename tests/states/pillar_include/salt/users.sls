{% for name, user in salt['pillar.get']('users', {}) | dictsort %}
{{ name }}:
  test.show_notification:
    - text: number {{ user.uid }}
{% endfor %}
