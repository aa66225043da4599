#!/bin/sh
# Nothing is started: the owner of the host decides. What runs already is the old program until it is started anew.
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    for unit in deminer-agent.service deminer-server.service; do
        if systemctl is-active --quiet "$unit"; then systemctl restart "$unit" || true; fi
    done
fi
# "configure VERSION" or "2" and more is a renewal.
case "${1:-}:${2:-}" in
    configure:?*|[2-9]*) ;;
    *) echo "deminer is installed, nothing runs yet.
  look at this host once:   deminer scan
  keep watching it:         systemctl enable --now deminer-agent
  console for many hosts:   systemctl enable --now deminer-server" ;;
esac
