many_two:
  test.nop: []
