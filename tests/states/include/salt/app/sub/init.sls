sub:
  test.show_notification:
    - text: '{{ sls }} {{ slspath }} {{ slsdotpath }} {{ slscolonpath }} {{ sls_path }}'
