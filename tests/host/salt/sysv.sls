# Services of a host that systemd has not booted.
{% set second = pillar.get('stage') == 'second' %}
cron:
  service.{{ 'disabled' if second else 'enabled' }}: []
unknown:
  service.enabled:
    - name: no-such-service
unknown to run:
  service.running:
    - name: no-such-service
unknown is dead:
  service.dead:
    - name: no-such-service
masked:
  service.masked:
    - name: e2scrub_all.timer
