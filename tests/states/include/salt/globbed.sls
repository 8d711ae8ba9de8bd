include:
  - many.*
globbed:
  test.nop: []
