base:
  '*':
    - values
prod:
  'min*':
    - values
