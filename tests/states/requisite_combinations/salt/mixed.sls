fails:
  test.fail_without_changes: []
changes:
  test.succeed_with_changes: []
quiet:
  test.nop: []
needs_and_waits:
  test.nop:
    - require:
      - test: quiet
    - onchanges:
      - test: changes
needs_failed_and_waits:
  test.nop:
    - require:
      - test: fails
    - onchanges:
      - test: changes
on_fail_with_requirement:
  test.nop:
    - onfail:
      - test: fails
    - require:
      - test: quiet
next_in_chain:
  test.nop:
    - require:
      - test: needs_failed_and_waits
end_of_chain:
  test.nop:
    - watch:
      - test: next_in_chain
parallel_one:
  test.nop:
    - parallel: true
parallel_two:
  test.nop:
    - parallel: true
    - require:
      - test: parallel_one
