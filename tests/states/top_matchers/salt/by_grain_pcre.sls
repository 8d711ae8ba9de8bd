by_grain_pcre: {test.nop: []}
