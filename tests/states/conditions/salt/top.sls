base:
  '*':
    - conditions
