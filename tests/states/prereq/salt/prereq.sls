stop:
  test.nop:
    - prereq:
      - test: changes
changes:
  test.succeed_with_changes: []
not_needed:
  test.nop:
    - prereq:
      - test: quiet
quiet:
  test.succeed_without_changes: []
any_of_them:
  test.nop:
    - prereq_any:
      - test: quiet
      - test: changes
demands:
  test.succeed_with_changes:
    - prereq_in:
      - test: demanded
demanded:
  test.nop: []
