#!/usr/bin/env bash
# Makes the pictures of the README and of docs from the real program: boots the lab host of the guide's example, types the commands
# into a terminal there, and photographs what stands on it; those of the console its test in a browser takes. Needs root on Debian 12,
# and some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "lab/pictures.sh: must be root" >&2; exit 1; }
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tmux aha chromium fonts-dejavu-core pngquant >/dev/null
./lab/setup.sh
columns=112 rows=250 out=docs/img
work=$(mktemp -d)
terminal() { tmux -L "deminer-pictures-$$" "$@"; }
tidy() {
  terminal send-keys -t lab C-d 2>/dev/null || true # the shell ends, and the lab takes its host down
  for _ in $(seq 60); do terminal has-session -t lab 2>/dev/null || break; sleep 1; done
  terminal kill-server 2>/dev/null || true
  rm -rf "$work"
}
trap tidy EXIT
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$work/deminer" ./cmd/deminer
go build -o "$work/lab" ./lab
terminal -f /dev/null new-session -d -s lab -x $columns -y $rows "DEMINER_BINARY=$work/deminer $work/lab run aliyunduns -- bash --norc --noprofile"
screen() { terminal capture-pane -p -t lab; }
ready() { for _ in $(seq "$1"); do screen | grep -v '^$' | tail -n 1 | grep -qE "$2" && return; sleep 1; done; screen; echo "lab/pictures.sh: waited in vain for $2" >&2; exit 1; }
keys() { terminal send-keys -t lab "$@"; }
ready 300 '[#$] *$'
sleep 20 # the miners get to work
keys "PS1='\$ '; cd; stty cols $columns rows $rows; clear" Enter
ready 10 '^\$ *$'
picture() { # NAME WAIT-SECONDS COMMAND [KEYS...]: what the command leaves on the screen, its first $lines lines
  local name=$1 wait=$2; shift 2
  keys clear Enter; sleep 1
  keys "$1" Enter; shift
  sleep 2
  for k in "$@"; do ready 60 'Type yes to go on:'; keys "$k" Enter; done
  ready "$wait" '^\$ *$'
  # All but the prompt that waits for the next command.
  terminal capture-pane -e -p -t lab | awk 'NF {for (; blank > 0; blank--) print ""; print; next} {blank++}' | sed '$d' | head -n "${lines:-$rows}" >"$work/$name.ansi"
  { echo '<!doctype html><meta charset=utf-8><style>body{margin:0;background:#16171d}pre{margin:0;padding:18px 26px;font:15px/20px "DejaVu Sans Mono",monospace;color:#d8dade}</style><pre>'
    aha --no-header --black <"$work/$name.ansi"; echo '</pre>'; } >"$work/$name.html"
  local height=$(($(wc -l <"$work/$name.ansi") * 20 + 50))
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1 --window-size=1090,$height --screenshot="$PWD/$out/$name.png" "file://$work/$name.html" >/dev/null 2>&1
  pngquant --force --ext .png 32 "$out/$name.png"
  echo "$out/$name.png"
}
picture scan 60 './deminer scan'
lines=66 picture plan 60 './deminer plan'
picture clean 180 './deminer clean --watch 30s' yes
picture undo 60 './deminer undo' yes
mkdir "$work/shots"
DEMINER_TEST_SHOTS="$work/shots" go test -tags lab -count=1 -run 'Solution|Spread' ./lab/console
for pair in alert:console-alert deep:console-deep spread:console-spread overview-zh-dark:console-zh; do
  pngquant --force --quality 70-95 --output "$out/${pair#*:}.png" "$work/shots/${pair%:*}.png"
  echo "$out/${pair#*:}.png"
done
