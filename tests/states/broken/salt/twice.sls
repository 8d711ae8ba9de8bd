include:
  - twice_too
same:
  test.nop: []
