base:
  '*':
    - load
