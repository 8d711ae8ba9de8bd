base:
  '*':
    - language
