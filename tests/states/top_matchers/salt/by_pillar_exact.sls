by_pillar_exact: {test.nop: []}
