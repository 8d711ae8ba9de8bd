base:
  '*':
    - values
