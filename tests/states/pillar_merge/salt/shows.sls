shows:
  test.show_notification:
    - text: {{ pillar['map'] | json | yaml_squote }}
gets:
  test.show_notification:
    - text: "{{ salt['pillar.get']('map:b:y') }} {{ salt['pillar.get']('map:z', 'none') }} {{ pillar.list }} {{ salt['pillar.get']('map:b', {'z': 0}, merge=True) | dictsort }}"
