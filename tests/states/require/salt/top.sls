base:
  '*':
    - chain
    - all_of
    - by_name
