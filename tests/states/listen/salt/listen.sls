changes:
  test.succeed_with_changes: []
quiet:
  test.succeed_without_changes: []
listens:
  test.nop:
    - listen:
      - test: changes
hears_nothing:
  test.nop:
    - listen:
      - test: quiet
speaks:
  test.succeed_with_changes:
    - listen_in:
      - test: heard
heard:
  test.nop: []
last:
  test.nop:
    - order: last
