nothing:
  test.fail_without_changes: []
