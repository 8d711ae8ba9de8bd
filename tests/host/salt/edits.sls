# Parts of files.
{% set second = pillar.get('stage') == 'second' %}
{% set word = 'second' if second else 'first' %}
{% if not second %}
/srv/edit:
  file.directory:
    - makedirs: True
    - order: 1
{% for name in ['append', 'prepend', 'replace', 'block', 'line', 'lines', 'shorter', 'comment', 'keyvalue', 'accumulated'] %}
start {{ name }}:
  file.managed:
    - name: /srv/edit/{{ name }}
    - source: salt://files/edit.conf
    - replace: False
    - order: {{ 2 + loop.index }}
    - mode: '0640'
    - group: adm
{% endfor %}
{% endif %}

append:
  file.append:
    - name: /srv/edit/append
    - text:
      - appended {{ word }}
      - PermitRootLogin no
/srv/edit/prepend:
  file.prepend:
    - text: "# on top {{ word }}"
replace:
  file.replace:
    - name: /srv/edit/replace
    - pattern: ^Port \d+$
    - repl: Port {{ 2022 if second else 2021 }}
    - backup: False
replace appends:
  file.replace:
    - name: /srv/edit/replace
    - pattern: ^MaxAuthTries.*
    - repl: MaxAuthTries {{ 4 if second else 3 }}
    - append_if_not_found: True
    - show_changes: True
block:
  file.blockreplace:
    - name: /srv/edit/block
    - marker_start: "# START"
    - marker_end: "# END"
    - content: |
        inside {{ word }}
        again
    - append_if_not_found: True
    - backup: '.bak'
line ensure:
  file.line:
    - name: /srv/edit/line
    - mode: ensure
    - content: AllowUsers {{ word }}
    - after: ^Port
line delete:
  file.line:
    - name: /srv/edit/shorter
    - mode: delete
    - content: UsePAM yes
line replace:
  file.line:
    - name: /srv/edit/lines
    - mode: replace
    - match: ^Listen
    - content: ListenAddress {{ '127.0.0.2' if second else '0.0.0.0' }}
comment:
  file.comment:
    - name: /srv/edit/comment
    - regex: ^UsePAM
{% if second %}
uncomment:
  file.uncomment:
    - name: /srv/edit/comment
    - regex: ListenAddress
{% endif %}
/srv/edit/keyvalue:
  file.keyvalue:
    - key_values:
        Port: {{ 23 if second else 22 }}
        NewKey: 'value {{ word }}'
    - separator: ' '
    - uncomment: '#'
    - append_if_not_found: True
accumulated:
  file.accumulated:
    - filename: /srv/edit/accumulated
    - name: lines
    - text: gathered {{ word }}
    - require_in:
      - file: accumulated block
accumulated block:
  file.blockreplace:
    - name: /srv/edit/accumulated
    - marker_start: "# START"
    - marker_end: "# END"
    - append_if_not_found: True
/srv/edit/options.ini:
  ini.options_present:
    - separator: '='
    - sections:
        main:
          key: {{ word }}
{% if not second %}
          other: 2
{% endif %}
        second part:
          x: y
{% if second %}
ini absent:
  ini.options_absent:
    - name: /srv/edit/options.ini
    - separator: '='
    - sections:
        main: [other]
{% endif %}
