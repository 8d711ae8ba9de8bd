# Alternatives: Salt 3008 has no such states any more.
{% set second = pillar.get('stage') == 'second' %}
editor:
  alternatives.install:
    - name: site-pager
    - link: /usr/bin/site-pager
    - path: {{ '/bin/cat' if second else '/bin/more' }}
    - priority: {{ 90 if second else 80 }}
