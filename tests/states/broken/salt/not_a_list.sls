x:
  test.nop: text
