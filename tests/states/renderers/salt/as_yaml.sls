#!yaml
anchors: &anchor
  test.show_notification:
    - text: "{{ not jinja }}"
merged:
  <<: *anchor
