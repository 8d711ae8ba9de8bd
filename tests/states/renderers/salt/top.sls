base:
  '*':
    - as_json
    - as_yaml
    - jinja_json
    - white_space
