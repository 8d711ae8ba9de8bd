first:
  test.nop:
    - aggregate: true
second:
  test.succeed_with_changes:
    - aggregate: true
    - require:
      - test: first
third:
  test.nop: []
