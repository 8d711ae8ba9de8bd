# Whole files, folders and links.
{% set stage = pillar.get('stage', 'first') %}
{% set second = stage == 'second' %}
/srv/app:
  file.directory:
    - user: www-data
    - group: adm
    - mode: '2750'
    - makedirs: True

/srv/app/app.conf:
  file.managed:
    - source: salt://files/app.conf.jinja
    - template: jinja
    - user: www-data
    - group: www-data
    - mode: '{{ '0600' if second else '0640' }}'
    - context:
        stage: {{ stage }}
    - defaults:
        given: by default
    - require:
      - file: /srv/app

/srv/app/inline.txt:
  file.managed:
    - contents: |
        stage {{ stage }}
        {{ pillar.site.name }}
    - user: root
    - backup: minion

/srv/app/from-pillar.txt:
  file.managed:
    - contents_pillar: site:name
    - contents_newline: False

/srv/deep/er/plain.txt:
  file.managed:
    - source:
      - salt://files/missing.txt
      - salt://files/plain.txt
    - makedirs: True
    - dir_mode: '0711'
    - mode: keep

/srv/app/kept.txt:
  file.managed:
    - contents: {{ stage }}
    - replace: False

/srv/app/checked.conf:
  file.managed:
    - contents: 'valid {{ stage }}'
    - check_cmd: grep valid

/srv/tree:
  file.recurse:
    - source: salt://files/tree
    - user: games
    - group: games
    - dir_mode: '0755'
    - file_mode: '{{ '0600' if second else '0644' }}'
    - template: jinja
    - include_empty: True
    - clean: {{ second }}
    - context:
        stage: {{ stage }}

{% if not second %}
/srv/tree/stray.txt:
  file.managed:
    - contents: I am removed
    - require:
      - file: /srv/tree
/srv/clean/sub/stray:
  file.managed:
    - contents: x
    - makedirs: True
/srv/gone:
  file.directory:
    - makedirs: True
/srv/gone/inside:
  file.touch: []
/srv/old-name:
  file.managed:
    - contents: moved
{% else %}
/srv/clean/kept:
  file.managed:
    - contents: x
    - makedirs: True
    - require_in:
      - file: /srv/clean
/srv/clean:
  file.directory:
    - clean: True
    - exclude_pat: 'E@keep'
gone:
  file.absent:
    - names: [/srv/gone, /srv/never]
/srv/new/name:
  file.rename:
    - source: /srv/old-name
    - makedirs: True
{% endif %}

/srv/owners:
  file.directory:
    - user: www-data
    - group: {{ 'games' if second else 'www-data' }}
    - dir_mode: '0755'
    - file_mode: '0644'
    - recurse: [user, group, mode]
    - makedirs: True

/srv/links/plain:
  file.symlink:
    - target: {{ '/srv/tree' if second else '/srv/deep/er/plain.txt' }}
    - makedirs: True

/srv/links/dangling:
  file.symlink:
    - target: nowhere
    - user: games
    - group: games
    - require: [{file: /srv/links/plain}]

/srv/links/hard:
  file.hardlink:
    - target: /srv/deep/er/plain.txt

/srv/app/copy.txt:
  file.copy:
    - source: /srv/deep/er/plain.txt
    - mode: '0400'
    - force: {{ second }}

/srv/app/data.json:
  file.serialize:
    - dataset: {b: 1, a: [1, 2], stage: {{ stage }}}
    - serializer: json
/srv/app/data.yaml:
  file.serialize:
    - dataset_pillar: site
    - formatter: yaml
    - mode: '0640'
/srv/app/decoded:
  file.decode:
    - encoding_type: base64
    - encoded_data: aGVsbG8K
/srv/app/pipe:
  file.mknod:
    - ntype: p
    - mode: '0622'
/srv/app/touched:
  file.touch: []
is there:
  file.exists:
    - name: /srv/app
never there:
  file.missing:
    - name: /srv/nothing
