#!/bin/sh
# In the place of systemd-run: runs the command, in no scope.
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
