base:
  '*':
    - onchanges
