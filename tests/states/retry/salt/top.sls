base:
  '*':
    - retry
