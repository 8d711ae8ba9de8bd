map:
  a: null
empty: {}
none: ~
