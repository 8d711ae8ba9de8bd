many_one:
  test.nop: []
