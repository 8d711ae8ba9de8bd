include:
  - base_states
extend:
  shared:
    test:
      - text: extended
      - require:
        - test: new
  other:
    test:
      - watch:
        - test: new
new:
  test.succeed_with_changes: []
