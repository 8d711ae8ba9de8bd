include:
  - parts.users
  - parts.keys:
      defaults:
        owner: ann
      key: keys
  - .relative
site: here
shared: from site
