base:
  '*':
    - shows
