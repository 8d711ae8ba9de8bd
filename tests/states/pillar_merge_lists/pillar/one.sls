list: [1, 2]
map: {list: [a]}
