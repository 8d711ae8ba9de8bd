first_of_three:
  test.nop: []
second_of_three:
  test.nop: []
