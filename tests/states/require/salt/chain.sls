last:
  test.nop:
    - require:
      - test: middle
middle:
  test.succeed_with_changes:
    - require:
      - first
first:
  test.nop: []
