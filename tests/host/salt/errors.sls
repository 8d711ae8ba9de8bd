# What fails, and must leave nothing half done.
{% set second = pillar.get('stage') == 'second' %}
/srv/errors:
  file.directory:
    - makedirs: True
    - order: 1
missing source:
  file.managed:
    - name: /srv/errors/source
    - source: salt://files/no-such-file
missing sources:
  file.managed:
    - name: /srv/errors/sources
    - source: [salt://files/no-such-file, /srv/no-such-file]
missing tree:
  file.recurse:
    - name: /srv/errors/tree
    - source: salt://no-such-folder
missing folder:
  file.managed:
    - name: /srv/errors/no/folder
    - contents: x
missing local source:
  file.copy:
    - name: /srv/errors/copy
    - source: /srv/no-such-file
unknown user:
  file.managed:
    - name: /srv/errors/user
    - contents: x
    - user: nobody-knows
unknown group:
  file.managed:
    - name: /srv/errors/group
    - contents: x
    - group: nobody-knows
unknown owner of a folder:
  file.directory:
    - name: /srv/errors/folder
    - user: nobody-knows
relative:
  file.managed:
    - name: relative/path
    - contents: x
bad template:
  file.managed:
    - name: /srv/errors/template
    - source: salt://files/bad.jinja
    - template: jinja
unknown engine:
  file.managed:
    - name: /srv/errors/engine
    - source: salt://files/plain.txt
    - template: nosuchengine
bad sum:
  file.managed:
    - name: /srv/errors/sum
    - source: /etc/hostname
    - source_hash: sha256=0000000000000000000000000000000000000000000000000000000000000000
refused by check:
  file.managed:
    - name: /srv/errors/checked
    - contents: x
    - check_cmd: 'false'
in the way:
  file.directory:
    - name: /etc/passwd
link in the way:
  file.symlink:
    - name: /etc/passwd
    - target: /etc/group
folder in the way:
  file.managed:
    - name: /etc/ssh
    - contents: x
no file to edit:
  file.replace:
    - name: /srv/errors/none
    - pattern: a
    - repl: b
no file to comment:
  file.comment:
    - name: /srv/errors/none
    - regex: a
no file to append to:
  file.append:
    - name: /srv/errors/none/none
    - text: a
no block:
  file.blockreplace:
    - name: /etc/passwd
    - marker_start: '# A'
    - marker_end: '# B'
    - content: x
no line:
  file.line:
    - name: /srv/errors/none
    - mode: ensure
    - content: a
    - after: b
read-only:
  cmd.run:
    - name: mkdir -p /mnt/ro /mnt/full && mount -t tmpfs -o size=1m tmpfs /mnt/ro && echo old > /mnt/ro/old && mount -o remount,ro /mnt/ro
    - unless: mountpoint -q /mnt/ro
    - order: 2
written to what is read-only:
  file.managed:
    - name: /mnt/ro/file
    - contents: x
changed on what is read-only:
  file.managed:
    - name: /mnt/ro/old
    - contents: x
made on what is read-only:
  file.directory:
    - name: /mnt/ro/folder
removed from what is read-only:
  file.absent:
    - name: /mnt/ro/old
linked on what is read-only:
  file.symlink:
    - name: /mnt/ro/link
    - target: /x
appended to what is read-only:
  file.append:
    - name: /mnt/ro/old
    - text: y
full:
  cmd.run:
    - name: mkdir -p /mnt/full; mount -t tmpfs -o size=64k tmpfs /mnt/full && echo old > /mnt/full/old && dd if=/dev/zero of=/mnt/full/fill bs=1k 2>/dev/null || true
    - unless: mountpoint -q /mnt/full
    - order: 3
written to what is full:
  file.managed:
    - name: /mnt/full/file
    - source: salt://files/plain.txt
changed on what is full:
  file.managed:
    - name: /mnt/full/old
    - source: salt://files/app.conf.jinja
unknown package:
  pkg.installed:
    - name: no-such-package-at-all
unknown packages:
  pkg.installed:
    - pkgs: [hello, no-such-package-at-all]
unknown user of keys:
  ssh_auth.present:
    - name: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGd4pr3e1nfHnkwJ5Vj1q8Q1m3n5x2c3v4b5n6m7q8w x
    - user: nobody-knows
unknown user of a timetable:
  cron.present:
    - name: /bin/true
    - user: nobody-knows
unknown group of a user:
  user.present:
    - name: eve
    - groups: [nobody-knows]
    - createhome: False
gid is taken:
  group.present:
    - name: taken
    - gid: 0
uid is taken:
  user.present:
    - name: taken
    - uid: 0
command fails:
  cmd.run:
    - name: echo out; echo err >&2; exit 7
command is unknown:
  cmd.run:
    - name: no-such-command-at-all
command in no folder:
  cmd.run:
    - name: 'true'
    - cwd: /no/such/folder
command of nobody:
  cmd.run:
    - name: 'true'
    - runas: nobody-knows
command takes long:
  cmd.run:
    - name: sleep 5
    - timeout: 1
after failure:
  test.nop:
    - require: [{cmd: command fails}]
no remote:
  git.latest:
    - name: file:///srv/no-such-remote.git
    - target: /srv/errors/checkout
no archive:
  archive.extracted:
    - name: /srv/errors/unpacked
    - source: /srv/no-such.tar.gz
unknown setting:
  sysctl.present:
    - name: no.such.setting
    - value: 1
unknown function:
  file.no_such_function:
    - name: /srv/x
unknown module:
  no_such_module.present:
    - name: x
bad argument:
  file.managed:
    - name: /srv/errors/argument
    - contents: x
    - no_such_argument: 1
