short:
  test.nop
several:
  test:
    - nop
    - require:
      - test: short
many:
  test.show_notification:
    - text: shared
    - names:
      - a
      - b:
        - text: own
      - c:
        - text: of c
        - require:
          - test: short
"an id with spaces: and a colon":
  test.nop: []
name_of_its_own:
  test.nop:
    - name: another
.relative_id:
  test.nop: []
by_declaration:
  test.nop:
    - require:
      - test: short
