list: [2, 3]
map: {list: [b]}
