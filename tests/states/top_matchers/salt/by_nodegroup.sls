by_nodegroup: {test.nop: []}
