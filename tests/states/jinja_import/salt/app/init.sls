{% set given = 1 %}
{% from 'app/map.jinja' import app, where with context %}
{% from 'app/plain.jinja' import here with context %}
{% from 'app/plain.jinja' import here as without %}
{% import 'app/lib.jinja' as lib %}
{{ lib.notify('plain', app.service ~ ' ' ~ app.config) }}
{{ lib.notify('where', where) }}
{{ lib.notify('contexts', here ~ ', ' ~ without) }}
{% call(text) lib.wrapped('called') %}- order: 1
- text: {{ text }}
{% endcall %}
{% include 'app/tail.jinja' %}
