shared:
  test.show_notification:
    - text: original
    - require:
      - test: other
other:
  test.nop: []
