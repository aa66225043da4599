#!/bin/sh
# Installs what the lab needs on a Debian 12 machine (root), besides Go.
set -eu
[ "$(id -u)" = 0 ] || { echo "lab/setup.sh: must be root" >&2; exit 1; }
need=""
for pair in mmdebstrap:mmdebstrap systemd-nspawn:systemd-container nsenter:util-linux ip:iproute2 nft:nftables gcc:gcc mke2fs:e2fsprogs; do
    command -v "${pair%%:*}" >/dev/null || need="$need ${pair#*:}"
done
[ -e /usr/include/stdio.h ] || need="$need libc6-dev"
[ -n "$need" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086
apt-get install -q -y --no-install-recommends $need
