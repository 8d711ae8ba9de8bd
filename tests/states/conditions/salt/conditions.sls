onlyif_true:
  test.nop:
    - onlyif: 'true'
onlyif_false:
  test.nop:
    - onlyif:
      - 'true'
      - 'false'
unless_true:
  test.nop:
    - unless: 'true'
unless_false:
  test.succeed_with_changes:
    - unless:
      - 'false'
      - 'true'
by_function:
  test.nop:
    - onlyif:
      - fun: test.true
    - unless:
      - fun: test.false
by_function_with_arguments:
  test.nop:
    - onlyif:
      - fun: test.echo
        args:
          - ''
created:
  test.nop:
    - creates: /
creates_one_of_many:
  test.nop:
    - creates:
      - /
      - /this/is/not/there
unless_wins:
  test.fail_without_changes:
    - unless: 'true'
    - onlyif: 'true'
checked:
  test.nop:
    - check_cmd:
      - 'false'
