last:
  test.nop:
    - order: last
tenth:
  test.nop:
    - order: 10
first:
  test.nop:
    - order: 1
minus:
  test.nop:
    - order: -2
plain:
  test.nop: []
names:
  test.nop:
    - names:
      - one
      - two:
        - order: 5
      - three
