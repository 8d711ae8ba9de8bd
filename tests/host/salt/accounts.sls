# Groups, users, their keys and timetables.
{% set second = pillar.get('stage') == 'second' %}
staff of the site:
  group.present:
    - name: operators
    - gid: 3000
    - require_in: [{user: ada}]
ada:
  user.present:
    - uid: 3001
    - gid: operators
    - groups: [{{ 'games, adm' if second else 'adm, sudo' }}]
    - fullname: {{ 'Ada King' if second else 'Ada Lovelace' }}
    - shell: {{ '/bin/sh' if second else '/bin/bash' }}
    - home: /home/ada
    - createhome: True
    - password: '$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/'
{% if not second %}
grace:
  user.present:
    - system: True
    - usergroup: True
    - createhome: False
    - home: /var/lib/grace
    - shell: /usr/sbin/nologin
    - remove_groups: False
    - optional_groups: [nosuch, audio]
{% endif %}
daemons:
  group.present:
    - system: True
    - members: [{{ 'games' if second else 'daemon, bin' }}]
keys of ada:
  ssh_auth.present:
    - user: ada
    - names:
{% if not second %}
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGd4pr3e1nfHnkwJ5Vj1q8Q1m3n5x2c3v4b5n6m7q8w one@example.org
{% endif %}
      - AAAAC3NzaC1lZDI1NTE5AAAAIJGd4pr3e1nfHnkwJ5Vj1q8Q1m3n5x2c3v4b5n6m7q9z:
        - enc: ssh-ed25519
        - comment: {{ 'two@second' if second else 'two@example.org' }}
        - options: [no-pty]
known host:
  ssh_known_hosts.present:
    - name: git.example.org
    - user: ada
    - key: AAAAC3NzaC1lZDI1NTE5AAAAIJGd4pr3e1nfHnkwJ5Vj1q8Q1m3n5x2c3v4b5n6m7q8w
    - enc: ssh-ed25519
    - hash_known_hosts: False
/usr/bin/true >/dev/null:
  cron.present:
    - identifier: keeps-going
    - user: ada
    - minute: {{ 15 if second else 10 }}
    - hour: '*/2'
    - comment: keeps going
daily job:
  cron.present:
    - name: /usr/bin/daily
    - special: '@daily'
MAILTO:
  cron.env_present:
    - name: MAILTO
    - value: {{ 'b@example.org' if second else 'a@example.org' }}
    - user: ada
{% if second %}
grace goes:
  user.absent:
    - name: grace
    - purge: True
old key:
  ssh_auth.absent:
    - user: ada
    - names:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGd4pr3e1nfHnkwJ5Vj1q8Q1m3n5x2c3v4b5n6m7q8w one@example.org
    - require: [{ssh_auth: keys of ada}]
no daily job:
  cron.absent:
    - name: /usr/bin/daily
no such group:
  group.absent:
    - name: nosuch
{% endif %}
