broken:
  test.fail_without_changes: []
fine:
  test.nop: []
needs_any:
  test.nop:
    - require_any:
      - test: broken
      - test: fine
needs_all:
  test.nop:
    - require:
      - test: broken
      - test: fine
needs_none_that_works:
  test.nop:
    - require_any:
      - test: broken
broken_too:
  test.fail_with_changes: []
before:
  test.nop:
    - require_in:
      - test: after
after:
  test.nop: []
