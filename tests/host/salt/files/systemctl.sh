#!/bin/sh
# In the place of systemctl on a host that systemd has not booted: units are enabled and masked by the real one, offline, and run when a
# file says so.
verb= unit= value=no property=
for word in "$@"; do
    case $word in
        --value) value=yes ;;
        --property=*) property=${word#--property=} ;;
        -*) ;;
        *) if [ -z "$verb" ]; then verb=$word; elif [ -z "$unit" ]; then unit=$word; fi ;;
    esac
done
case $unit in '' | *.*) ;; *) unit=$unit.service ;; esac
running=/run/running
mkdir -p $running
file=
for folder in /etc/systemd/system /run/systemd/system /lib/systemd/system; do
    if [ -z "$file" ] && [ -e "$folder/$unit" ]; then file=$folder/$unit; fi
done
active() { if [ -e "$running/$unit" ]; then echo active; else echo inactive; fi; }
show() { if [ $value = yes ]; then echo "$2"; else echo "$1=$2"; fi; }
missing() { echo "Unit $unit could not be found." >&2; exit 4; }
case $verb in
    show)
        load=not-found
        [ -n "$file" ] && load=loaded
        for one in $(echo "${property:-Id LoadState ActiveState NeedDaemonReload}" | tr , ' '); do
            case $one in
                Id) show Id "$unit" ;;
                LoadState) show LoadState $load ;;
                ActiveState) show ActiveState "$(active)" ;;
                NeedDaemonReload) show NeedDaemonReload no ;;
            esac
        done ;;
    status)
        [ -n "$file" ] || missing
        printf '%s - a unit\n     Loaded: loaded (%s)\n     Active: %s\n' "$unit" "$file" "$(active)"
        [ "$(active)" = active ] || exit 3 ;;
    is-active) active; [ "$(active)" = active ] || exit 3 ;;
    start | restart) [ -n "$file" ] || { echo "Failed to $verb $unit: Unit $unit not found." >&2; exit 5; }; : >"$running/$unit" ;;
    reload) [ "$(active)" = active ] ;;
    stop) [ -n "$file" ] || { echo "Failed to stop $unit: Unit $unit not loaded." >&2; exit 5; }; rm -f "$running/$unit" ;;
    daemon-reload) ;;
    list-units) for unit in $(ls $running); do echo "$unit loaded active running a unit"; done ;;
    --version) exec /usr/bin/systemctl --version ;;
    *) if [ -z "$verb" ]; then exec /usr/bin/systemctl "$@"; fi; exec /usr/bin/systemctl --root=/ "$@" ;;
esac
