by_compound_nodegroup: {test.nop: []}
