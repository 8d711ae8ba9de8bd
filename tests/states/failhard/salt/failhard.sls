works:
  test.nop: []
breaks:
  test.fail_without_changes:
    - failhard: true
never:
  test.nop: []
never_too:
  test.nop:
    - order: last
