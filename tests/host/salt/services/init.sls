# Services, by systemd.
{% set second = pillar.get('stage') == 'second' %}
cron:
  service.{{ 'disabled' if second else 'enabled' }}: []
own:
  service.{{ 'dead' if second else 'running' }}:
    - enable: {{ not second }}
restarted:
  service.running:
    - name: ssh-agent-of-nobody
configured:
  file.managed:
    - name: /srv/configured
    - contents: {{ 'two' if second else 'one' }}
    - makedirs: True
watching:
  service.running:
    - name: systemd-networkd
    - enable: True
    - watch: [{file: configured}]
reloading:
  service.running:
    - name: systemd-logind
    - reload: True
    - watch: [{file: configured}]
masked:
  service.{{ 'unmasked' if second else 'masked' }}:
    - name: e2scrub_all.timer
unknown:
  service.enabled:
    - name: no-such-service
unknown is off:
  service.disabled:
    - name: no-such-service
unknown is dead:
  service.dead:
    - name: no-such-service
