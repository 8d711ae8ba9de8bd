changes:
  test.succeed_with_changes: []
quiet:
  test.succeed_without_changes: []
fails:
  test.fail_without_changes: []
watches_change:
  test.nop:
    - watch:
      - test: changes
watches_quiet:
  test.nop:
    - watch:
      - test: quiet
watches_any:
  test.nop:
    - watch_any:
      - test: quiet
      - test: changes
watches_any_of_failed:
  test.nop:
    - watch_any:
      - test: fails
      - test: quiet
watches_failed:
  test.nop:
    - watch:
      - test: fails
told_by_another:
  test.nop: []
tells_another:
  test.succeed_with_changes:
    - watch_in:
      - test: told_by_another
