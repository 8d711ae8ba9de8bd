base:
  '*':
    - common
dev:
  'minion':
    - tools
