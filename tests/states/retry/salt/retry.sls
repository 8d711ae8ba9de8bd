tries:
  test.fail_without_changes:
    - retry:
        attempts: 2
        interval: 1
        splay: 0
until:
  test.succeed_without_changes:
    - retry:
        attempts: 2
        interval: 1
        until: false
works_at_once:
  test.nop:
    - retry: true
