text: one
map:
  a: 1
  b: {x: 1}
list: [1, 2]
changes_type: {a: 1}
