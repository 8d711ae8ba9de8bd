given: {a: 1}
