#!jinja|json
{"{{ 'jinja' }}_json": {"test": ["nop"]}}
