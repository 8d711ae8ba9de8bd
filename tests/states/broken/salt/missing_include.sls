include:
  - nowhere
x:
  test.nop: []
