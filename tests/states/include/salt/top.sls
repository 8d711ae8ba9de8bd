base:
  '*':
    - app
    - app.sub.deep
    - globbed
