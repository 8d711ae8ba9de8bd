#!json
{"json_state": {"test.show_notification": [{"text": "a {{ plain }} text"}]}}
