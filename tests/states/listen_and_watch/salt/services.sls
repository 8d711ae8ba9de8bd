config:
  test.succeed_with_changes:
    - watch_in:
      - test: service
    - listen_in:
      - test: reload
service:
  test.nop:
    - require:
      - test: package
package:
  test.succeed_without_changes: []
reload:
  test.succeed_with_changes: []
after_reload:
  test.nop:
    - onchanges:
      - test: reload
    - listen:
      - test: reload
