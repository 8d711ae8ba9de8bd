base:
  '*':
    - aggregate
