#!/bin/sh
echo "script $1"
echo "$1" > /srv/script
