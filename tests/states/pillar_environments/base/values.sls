env: base
only_base: 1
