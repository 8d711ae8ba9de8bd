/run/no-such-folder-of-a-test/app.conf:
  file.managed:
    - source: salt://app.conf.jinja
    - template: jinja
    - context:
        port: 80
    - makedirs: true
    - mode: '0640'
/run/no-such-file-of-a-test:
  file.managed:
    - contents:
      - one
      - two
/run/no-such-folder-of-a-test:
  file.directory:
    - mode: '0755'
/run/no-such-link-of-a-test:
  file.symlink:
    - target: /run/no-such-file-of-a-test
gone:
  file.absent:
    - name: /run/no-such-file-of-a-test
edited:
  file.append:
    - name: /run/no-such-file-of-a-test
    - text: a line
