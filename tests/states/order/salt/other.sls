other:
  test.nop:
    - require:
      - test: last
second:
  test.nop:
    - order: 2
