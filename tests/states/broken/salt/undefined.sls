x:
  test.show_notification:
    - text: {{ salt['pillar.get']('a').b.c }}
