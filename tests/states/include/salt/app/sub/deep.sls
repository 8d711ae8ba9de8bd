include:
  - ..config
deep:
  test.nop: []
