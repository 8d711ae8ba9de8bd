by_list_grain: {test.nop: []}
