would_change:
  test.succeed_with_changes: []
would_fail:
  test.fail_with_changes: []
configured:
  test.configurable_test_state:
    - changes: true
    - result: false
    - comment: said
not_by_force:
  test.succeed_with_changes:
    - test: false
{% if opts['test'] %}
only_in_test_mode:
  test.nop: []
{% endif %}
told:
  test.show_notification:
    - text: "test is {{ opts['test'] }}"
