x:
  test.no_such_function: []
