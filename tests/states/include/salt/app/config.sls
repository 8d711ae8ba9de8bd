app_config:
  test.show_notification:
    - text: '{{ sls }} {{ slspath }} {{ slsdotpath }} {{ tpldir }} {{ tplfile }} {{ tpldot }}'
