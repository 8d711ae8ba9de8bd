x:
  test.nop: []
x:
  test.nop: []
