fails:
  test.fail_without_changes: []
works:
  test.nop: []
on_fail:
  test.nop:
    - onfail:
      - test: fails
on_success:
  test.nop:
    - onfail:
      - test: works
on_any:
  test.nop:
    - onfail_any:
      - test: works
      - test: fails
on_all:
  test.nop:
    - onfail_all:
      - test: works
      - test: fails
on_all_failed:
  test.nop:
    - onfail_all:
      - test: fails
      - test: fails_too
fails_too:
  test.fail_without_changes: []
goes_on:
  test.nop:
    - onfail:
      - test: fails
    - onfail_stop: false
stops:
  test.nop:
    - onfail:
      - test: fails
    - onfail_stop: true
    - require:
      - test: fails_too
rescues:
  test.fail_without_changes:
    - onfail_in:
      - test: rescued
rescued:
  test.nop: []
