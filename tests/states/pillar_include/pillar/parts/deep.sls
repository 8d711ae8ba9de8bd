deep: true
users:
  bob: {uid: 1001}
