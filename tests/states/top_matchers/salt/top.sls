base:
  'web*':
    - by_glob
  'db*':
    - nothing
  'os:Debian':
    - match: grain
    - by_grain
  'os_family:(Debian|Suse)':
    - match: grain_pcre
    - by_grain_pcre
  'roles:cache':
    - match: grain
    - by_list_grain
  'nested:level:leaf:here':
    - match: grain
    - by_nested_grain
  'role:front*':
    - match: pillar
    - by_pillar
  'role:front.*d':
    - match: pillar_pcre
    - by_pillar_pcre
  'role:frontend':
    - match: pillar_exact
    - by_pillar_exact
  'web\d+\..*':
    - match: pcre
    - by_pcre
  'web1.example.com,web2.example.com':
    - match: list
    - by_list
  webs:
    - match: nodegroup
    - by_nodegroup
  both:
    - match: nodegroup
    - by_compound_nodegroup
  'G@os:Debian and not E@db.* and I@tags:b':
    - match: compound
    - by_compound
  'web* and not G@roles:cache':
    - match: compound
    - nothing
