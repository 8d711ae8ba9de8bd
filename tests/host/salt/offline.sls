# A mirror that cannot be reached.
no mirror:
  file.managed:
    - name: /etc/apt/apt.conf.d/00nowhere
    - contents: |
        Acquire::http::Proxy "http://127.0.0.1:9";
        Acquire::Retries "0";
    - order: 1
nothing fetched:
  cmd.run:
    - name: rm -f /var/cache/apt/archives/*.deb
    - order: 2
sl:
  pkg.installed:
    - refresh: True
hello:
  pkg.latest:
    - refresh: True
many:
  pkg.installed:
    - pkgs: [hello, sl]
