x:
  test.nop:
    - require:
      - test: nowhere
