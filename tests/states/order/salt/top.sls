base:
  '*':
    - order
    - other
