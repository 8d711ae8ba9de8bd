include:
  - base: shared
more:
  test.nop: []
