# Settings of the host, services, checkouts and archives.
{% set second = pillar.get('stage') == 'second' %}
kernel.msgmax:
  sysctl.present:
    - value: 8192
    - config: /etc/sysctl.d/{{ '61' if second else '60' }}-site.conf
names:
  host.present:
    - ip: 192.0.2.{{ 2 if second else 1 }}
    - names: [db.example.org, db]
only one:
  host.only:
    - name: 192.0.2.9
    - hostnames: [only.example.org]
hostname file:
  file.managed:
    - name: /etc/hostname
    - contents: host
a grain:
  grains.present:
    - name: site_role
    - value: {{ 'db' if second else 'web' }}
grain list:
  grains.list_present:
    - name: site_tags
    - value: {{ 'b' if second else 'a' }}
/mnt/data:
  mount.fstab_present:
    - name: /dev/vdz1
    - fs_file: /mnt/data
    - fs_vfstype: ext4
    - mount: False
    - fs_mntops: {{ 'noatime' if second else 'defaults' }}
run once:
  cmd.run:
    - name: echo {{ 'second' if second else 'first' }} > /srv/ran
    - creates: /srv/ran
on change:
  cmd.run:
    - name: echo changed; echo told >&2
    - onchanges: [{file: watched}]
watched:
  file.managed:
    - name: /srv/watched
    - contents: {{ 'second' if second else 'first' }}
script:
  cmd.script:
    - source: salt://files/script.sh
    - args: {{ 'two' if second else 'one' }}
    - unless: grep -q {{ 'two' if second else 'one' }} /srv/script
fails:
  cmd.run:
    - name: echo out; exit 3
    - success_retcodes: [3]
    - unless: test -e /srv/script
remote:
  cmd.run:
    - name: |
        set -e
        git init -q -b main /srv/work
        cd /srv/work
        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
        export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z
        echo 1 > file; git add file; git commit -qm first; git tag v1
        echo 2 > file; git commit -qam second
        git clone -q --bare /srv/work /srv/remote.git
    - creates: /srv/remote.git
checkout:
  git.latest:
    - name: file:///srv/remote.git
    - target: /srv/checkout
    - rev: {{ 'main' if second else 'v1' }}
    - branch: main
    - force_reset: {{ second }}
    - require: [{cmd: remote}]
git option:
  git.config_set:
    - name: user.name
    - value: {{ 'Second' if second else 'First' }}
    - global: True
tar:
  cmd.run:
    - name: tar -C /srv/work --exclude .git --sort=name --mtime=@0 -cf - . | gzip -n > /srv/work.tar.gz && cp /srv/work.tar.gz /srv/other.tar.gz
    - creates: /srv/work.tar.gz
    - require: [{cmd: remote}]
/srv/unpacked:
  archive.extracted:
    - source: /srv/{{ 'other' if second else 'work' }}.tar.gz
    - enforce_toplevel: False
    - user: www-data
    - group: www-data
    - require: [{cmd: tar}]
