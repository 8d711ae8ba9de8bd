changes:
  test.succeed_with_changes: []
quiet:
  test.succeed_without_changes: []
fails_with_changes:
  test.fail_with_changes: []
on_change:
  test.nop:
    - onchanges:
      - test: changes
on_quiet:
  test.nop:
    - onchanges:
      - test: quiet
on_either:
  test.nop:
    - onchanges_any:
      - test: quiet
      - test: changes
on_both:
  test.nop:
    - onchanges:
      - test: quiet
      - test: changes
on_neither:
  test.nop:
    - onchanges_any:
      - test: quiet
on_failed:
  test.nop:
    - onchanges:
      - test: fails_with_changes
causes:
  test.succeed_with_changes:
    - onchanges_in:
      - test: caused
caused:
  test.nop: []
