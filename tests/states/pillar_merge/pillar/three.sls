map:
  a: null
  d: "{{ pillar.get('text', 'not seen') }}"
empty: {}
none: ~
