include:
  - parts.deep
users:
  ann: {uid: 1000}
shared: from users
