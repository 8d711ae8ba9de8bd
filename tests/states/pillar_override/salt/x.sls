x:
  test.show_notification:
    - text: {{ pillar | json | yaml_squote }}
