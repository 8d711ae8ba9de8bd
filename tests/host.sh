#!/usr/bin/env bash
# A Debian host to change: a root of this machine's own release, with what states need, and programs run in it. Takes root.
#
#   tests/host.sh make                        makes the root once, below the target directory, and prints its path
#   tests/host.sh run LAYER COMMAND [ARG...]  runs a command in the root; what it changes is kept in LAYER/upper alone
#
# A command has mounts, processes, a host name and System V queues of its own, and the network of this machine. It is ended
# after HOST_SECONDS (600). HOST_BINDS names more files and folders, by their absolute paths, that it may read in their places.
# The packages come from the mirror and through the proxy that apt of this machine uses.
# Exit code 69: no such host can be made here; standard error says why.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"
target=${CARGO_TARGET_DIR:-$(dirname "${BASH_SOURCE[0]}")/../target}
seconds=${HOST_SECONDS:-600}

# Programs that states call, the libraries of our programs and of Python.
packages=(ca-certificates cron git libbz2-1.0 libffi8 libreadline8 libsqlite3-0 libssl3 openssh-client patch procps systemd systemd-sysv unzip xz-utils zip)
# Packages that states of the tests install: they are fetched once.
fetched=(hello sl)

impossible() {
    echo "$*" >&2
    exit 69
}

make() {
    ((EUID == 0)) || impossible "a Debian root takes root"
    command -v debootstrap >/dev/null || impossible "debootstrap is missing: apt-get install debootstrap"
    # shellcheck source=/dev/null
    . /etc/os-release
    [[ ${ID:-} == debian ]] || impossible "our programs need the libraries of this machine, and it is no Debian"
    mkdir -p "$target/host"
    target=$(cd "$target" && pwd)
    # Another list of packages is another root.
    key=$(printf '%s\n' "$VERSION_CODENAME" "${packages[@]}" "${fetched[@]}" | sha256sum | cut -c1-12)
    root=$target/host/root-$key
    exec 9>"$target/host/lock"
    flock 9
    if [[ ! -e $root ]]; then
        rm -rf "$target"/host/root-* "$target/host/new"
        fill "$target/host/new" >&2 || impossible "debootstrap failed: is there a mirror? See above"
        mv "$target/host/new" "$root"
    fi
    printf '%s\n' "$root"
}

fill() {
    local new=$1 mirror list
    list=$(IFS=,; echo "${packages[*]}")
    # Where this machine's own packages come from.
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Release: $VERSION_CODENAME" 'Component: main' | head -n 1)
    mirror=${mirror:-http://deb.debian.org/debian/}
    timeout 1200 debootstrap --variant=minbase --include="$list" "$VERSION_CODENAME" "$new" "$mirror" || return
    echo "deb $mirror $VERSION_CODENAME main" >"$new/etc/apt/sources.list"
    apt-config dump Acquire::http Acquire::https Acquire::Check-Valid-Until >"$new/etc/apt/apt.conf.d/90host"
    echo 'Acquire::Languages "none";' >>"$new/etc/apt/apt.conf.d/90host"
    # A service must not be started where none runs.
    printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"
    chmod 755 "$new/usr/sbin/policy-rc.d"
    cp --remove-destination /etc/resolv.conf "$new/etc/resolv.conf"
    timeout 600 chroot "$new" apt-get update -q || return
    timeout 600 chroot "$new" apt-get install -qy --download-only "${fetched[@]}" || return
}

run() {
    local layer=$1 root
    shift
    root=$(make)
    mkdir -p "$layer"/{upper,work,host}
    layer=$(cd "$layer" && pwd)
    # The mounts end with the last process, and all processes end with the first.
    exec timeout --kill-after 5 "$seconds" unshare --mount --pid --fork --kill-child --uts --ipc --propagation private \
        bash -euo pipefail -c "$(declare -f inside); inside \"\$@\"" inside "$root" "$layer" "${HOST_BINDS:-}" "$@"
}

inside() {
    local root=$1 layer=$2 binds=$3 host=$2/host node
    shift 3
    # The root is shared and stays as it is.
    mount -t overlay overlay -o "lowerdir=$root,upperdir=$layer/upper,workdir=$layer/work" "$host"
    mount -t proc proc "$host/proc"
    # Settings of the kernel are the machine's; those of the queues are this host's own.
    mount --bind "$host/proc/sys" "$host/proc/sys"
    mount -o remount,bind,ro "$host/proc/sys"
    mount --bind /proc/sys/kernel/msgmax "$host/proc/sys/kernel/msgmax"
    mount -t tmpfs tmpfs "$host/dev"
    for node in null zero full random urandom tty; do
        : >"$host/dev/$node"
        mount --bind "/dev/$node" "$host/dev/$node"
    done
    ln -s /proc/self/fd "$host/dev/fd"
    for node in $binds; do
        if [[ -d $node ]]; then mkdir -p "$host$node"; else mkdir -p "$host${node%/*}" && : >"$host$node"; fi
        mount --bind "$node" "$host$node"
        mount -o remount,bind,ro "$host$node"
    done
    hostname host.example.org
    # The first process stays outside of the root: so systemctl knows that no systemd runs, and works on files.
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb \
        chroot "$host" "$@" </dev/null || exit
}

case ${1:-} in
    make) make ;;
    run) (($# > 2)) || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 64; }; shift; run "$@" ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac
