role: frontend
tags: [a, b]
number: 7
