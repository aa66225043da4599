#!/bin/sh
# /var/lib/deminer stays, even when the package is purged: its vault holds files that were taken away and can still be put back.
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload || true
case "${1:-}" in
    purge|0) [ ! -d /var/lib/deminer ] || echo "deminer: /var/lib/deminer stays: its vault holds what clean-ups took away. Remove it by hand when nothing of it is wanted." ;;
esac
