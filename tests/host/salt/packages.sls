# Packages from a mirror.
{% set second = pillar.get('stage') == 'second' %}
{% if second %}
sl:
  pkg.removed: []
hello purged:
  pkg.purged:
    - name: hello
{% else %}
sl:
  pkg.installed:
    - refresh: True
tools:
  pkg.installed:
    - pkgs:
      - hello
      - procps
hello stays:
  pkg.latest:
    - name: hello
    - require: [{pkg: tools}]
{% endif %}
held:
  pkg.held:
    - name: procps
patch:
  pkg.removed: []
