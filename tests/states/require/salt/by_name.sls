include:
  - chain
whole_sls:
  test.nop:
    - require:
      - sls: chain
by_its_name:
  test.nop:
    - name: other name
by_name:
  test.nop:
    - require:
      - test: other name
star:
  test.nop:
    - require:
      - test: whole*
