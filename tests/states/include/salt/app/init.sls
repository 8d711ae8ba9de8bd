include:
  - .config
  - app.sub
app:
  test.nop:
    - require:
      - sls: app.config
