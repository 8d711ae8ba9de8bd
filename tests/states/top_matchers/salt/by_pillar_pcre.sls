by_pillar_pcre: {test.nop: []}
