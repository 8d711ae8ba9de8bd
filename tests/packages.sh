#!/usr/bin/env bash
# Checks that the Debian packages that Banyan needs are there. As root it installs the missing ones, as another user it
# names them and fails.
#
#   tests/packages.sh build        what building needs, and the demonstration
#   tests/packages.sh test         what the tests need as well
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin" # sshd, for users

# Commands, and the packages that bring them. SQLite, libgit2, libssh2, zlib and zstd are built from the sources that their
# crates bring; OpenSSL is the system's.
needed=(cc:build-essential pkg-config:pkg-config git:git)
case "${1:-}" in
    build) ;;
    # Peers: the mirror is tested against git over ssh and https, the store against disks that are full or fail, nodes in
    # networks of their own, modules in Python, states on a Debian root, sealed values against gpg and age, job caches against MariaDB and PostgreSQL. valgrind counts instructions.
    test) needed+=(openssl:openssl ssh-keygen:openssh-client sshd:openssh-server mount:mount ip:iproute2
        mkfs.ext4:e2fsprogs unshare:util-linux debootstrap:debootstrap perl:perl-base strace:strace valgrind:valgrind
        python3:python3 gpg:gnupg age:age mariadbd:mariadb-server psql:postgresql) ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac

missing=()
for entry in "${needed[@]}"; do
    command -v "${entry%%:*}" >/dev/null || missing+=("${entry#*:}")
done
pkg-config --exists openssl 2>/dev/null || missing+=(libssl-dev)

if ((${#missing[@]} == 0)); then
    exit 0
fi
if ((EUID != 0)); then
    echo "Missing Debian packages; install them as root: apt-get install ${missing[*]}" >&2
    exit 1
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
