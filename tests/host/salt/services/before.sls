# From here on the host looks as if systemd had booted it.
/run/systemd/system:
  file.directory:
    - makedirs: True
/usr/local/sbin/systemctl:
  file.managed:
    - source: salt://files/systemctl.sh
    - mode: '0755'
/usr/local/sbin/systemd-run:
  file.managed:
    - source: salt://files/systemd-run.sh
    - mode: '0755'
/etc/systemd/system/own.service:
  file.managed:
    - contents: |
        [Service]
        ExecStart=/bin/true
        [Install]
        WantedBy=multi-user.target
