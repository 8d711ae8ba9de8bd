base:
  '*':
    - extends
