include:
  - parts.one
  - parts.two
  - parts.three
exclude:
  - sls: parts.two
  - id: second_of_three
