x:
  test.show_notification:
    - text: "{{ pillar.env }} {{ salt['pillar.get']('only_prod') }}"
