model:
  test.configurable_test_state:
    - changes: false
    - comment: the model's
    - order: 40
follows:
  test.configurable_test_state:
    - use:
      - test: model
own_words:
  test.configurable_test_state:
    - comment: its own
    - use:
      - test: model
gives:
  test.configurable_test_state:
    - comment: given
    - use_in:
      - test: taken
taken:
  test.configurable_test_state:
    - result: true
