common:
  test.show_notification:
    - text: "{{ saltenv }} {{ pillar['value'] }}"
