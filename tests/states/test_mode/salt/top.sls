base:
  '*':
    - modes
