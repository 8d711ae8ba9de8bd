#!yaml
no_jinja:
  test.show_notification:
    - text: "{{ not jinja }}"
merged:
  test.show_notification:
    - <<: &common
        text: common
    - <<: *common
