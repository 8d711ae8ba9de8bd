by_nested_grain: {test.nop: []}
