#!/usr/bin/env bash
# Builds Banyan and runs its main job on a small tree on this machine, without root:
# a top-master, the region eu with the sites eu/ams and eu/fra under it, six minions, a git remote.
# It shows exact counts, states and pillar of one commit after a `git push`, a dead minion and a cut-off site, and heals both.
#
#   deploy/demo.sh            run, check every expectation, leave nothing behind
#   deploy/demo.sh --keep     leave the tree running, and say how to use it
#
# BANYAN_BIN=DIR uses programs that are built already.
set -euo pipefail
cd "$(dirname "$0")/.."

keep=no
case "${1:-}" in
  "") ;;
  --keep) keep=yes ;;
  -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "demo.sh: unknown option $1 (try --help)" >&2; exit 64 ;;
esac

bold() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then bold() { printf '\n== %s\n' "$*"; }; fi
fail() { printf 'demo.sh: EXPECTATION FAILED: %s\n' "$*" >&2; exit 1; }

if [ -z "${BANYAN_BIN:-}" ]; then
  bold "Building (the first time takes some minutes)"
  tests/packages.sh build
  cargo build --release -p top-master -p syndic -p minion
  BANYAN_BIN="${CARGO_TARGET_DIR:-target}/release"
fi
BANYAN_BIN=$(cd "$BANYAN_BIN" && pwd)
command -v git >/dev/null || { echo "demo.sh: git is needed for the roots" >&2; exit 69; }

work=$(mktemp -d "${TMPDIR:-/tmp}/banyan-demo.XXXXXX")
declare -A pids
finish() {
  local code=$?
  if [ "$keep" = yes ] && [ "$code" = 0 ]; then return; fi
  for name in "${!pids[@]}"; do kill -CONT "${pids[$name]}" 2>/dev/null || true; kill -KILL "${pids[$name]}" 2>/dev/null || true; done
  wait 2>/dev/null || true
  if [ "$code" != 0 ]; then
    echo "--- the last words of each node:" >&2
    for log in "$work"/*.log; do echo "--- $(basename "$log")" >&2; tail -n 5 "$log" >&2; done
  fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# A free UDP port for each hub: ask the kernel's table.
used=$(awk 'NR>1 {split($2,a,":"); print a[2]}' /proc/net/udp /proc/net/udp6 2>/dev/null || true)
next_port=$((20000 + RANDOM % 20000))
free_port() {
  while printf '%s\n' "$used" | grep -qi "^$(printf '%04X' "$next_port")$"; do next_port=$((next_port + 1)); done
  port=$next_port
  next_port=$((next_port + 1))
}

top() { "$BANYAN_BIN/top-master" --root-dir "$work/top" "$@"; }
config() { # NODE PROGRAM: writes the configuration from standard input
  mkdir -p "$work/$1/etc/banyan"
  cat >"$work/$1/etc/banyan/$2"
}
start() { # NODE PROGRAM
  "$BANYAN_BIN/$2" --root-dir "$work/$1" serve >>"$work/$1.log" 2>&1 &
  pids[$1]=$!
  disown
}
# Waits until a command says yes; the limit is a bound for slow machines, not a pause.
until_true() { # SECONDS WHAT COMMAND...
  local limit=$1 what=$2 end=$((SECONDS + $1))
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || fail "$what (not within $limit s)"
    sleep 0.1
  done
}
answers() { top identity >/dev/null 2>&1; }
pending() { [ "$(top keys list --out json 2>/dev/null | grep -c '"pending"')" = "$1" ]; }
up() { top tree --out json 2>/dev/null | tr -d ' \n' | grep -q "\"totals\":{\"accepted\":6,\"up\":$1,"; }
shown=""
show() { # CODE COMMAND...: runs a command of the top-master, shows it, and checks its exit code
  local want=$1 code=0
  shift
  printf '$ top-master'; printf ' %q' "$@"; printf '\n'
  shown=$(top "$@" 2>&1) || code=$?
  printf '%s\n[exit code %s]\n' "$shown" "$code"
  [ "$code" = "$want" ] || fail "exit code $code, not $want"
}
says() { [[ "$shown" == *"$1"* ]] || fail "the output does not say: $1"; }

bold "A git remote with states and pillar"
git init -q --bare "$work/roots.git"
git -C "$work/roots.git" symbolic-ref HEAD refs/heads/main
git clone -q "$work/roots.git" "$work/checkout" 2>/dev/null
mkdir -p "$work/checkout/salt/motd" "$work/checkout/pillar"
cat >"$work/checkout/salt/top.sls" <<'END'
base:
  '*':
    - motd
END
cat >"$work/checkout/salt/motd/init.sls" <<'END'
{% set file = opts['root_dir'] ~ '/motd' %}
greeting:
  file.managed:
    - name: {{ file }}
    - source: salt://motd/motd.jinja
    - template: jinja
    - mode: '0644'

told:
  cmd.run:
    - name: wc -l < {{ file }}
    - onchanges:
      - file: greeting
END
cat >"$work/checkout/pillar/top.sls" <<'END'
base:
  'ams-*': [ams]
  'fra-*': [fra]
END
mkdir -p "$work/checkout/salt/orch"
cat >"$work/checkout/salt/orch/rollout.sls" <<'END'
amsterdam first:
  salt.state:
    - tgt: 'city:Amsterdam'
    - tgt_type: pillar
    - highstate: True
    - batch: 2

then everybody:
  salt.function:
    - name: test.ping
    - tgt: '*'
    - require:
      - salt: amsterdam first
END
echo 'city: Amsterdam' >"$work/checkout/pillar/ams.sls"
echo 'city: Frankfurt' >"$work/checkout/pillar/fra.sls"
commit() { # TEXT
  echo "$1: {{ grains['id'] }} in {{ pillar['city'] }}" >"$work/checkout/salt/motd/motd.jinja"
  git -C "$work/checkout" add .
  git -C "$work/checkout" -c user.name=demo -c user.email=demo@example.org commit -q -m "$1"
  git -C "$work/checkout" push -q origin HEAD:main
}
commit "welcome, first edition"

bold "A top-master"
free_port; top_port=$port
config top top-master <<END
id: top
interface: 127.0.0.1
port: $top_port
keepalive_seconds: 1
idle_timeout_seconds: 3
roots:
  remote: file://$work/roots.git
  root: salt
  pillar_root: pillar
END
tree=$(top init 2>/dev/null | grep -oE '([0-9a-f]{2}:){31}[0-9a-f]{2}')
[ -n "$tree" ] || fail "no tree fingerprint"
echo "tree $tree"
start top top-master
until_true 20 "the top-master answers" answers

bold "A region, two sites, six minions: they make their keys, dial, and wait to be accepted"
hub() { # NODE SITE PARENT_PORT
  free_port
  config "$1" syndic <<END
id: $1
site: $2
interface: 127.0.0.1
port: $port
master: 127.0.0.1:$3
master_finger: "$tree"
keepalive_seconds: 1
idle_timeout_seconds: 3
END
  start "$1" syndic
}
minion() { # NODE PARENT_PORT
  config "$1" minion <<END
id: $1
master: 127.0.0.1:$2
master_finger: "$tree"
keepalive_seconds: 1
idle_timeout_seconds: 3
END
  start "$1" minion
}
hub eu-hub eu "$top_port"; eu_port=$port
until_true 20 "the region waits to be accepted" pending 1
show 0 keys accept eu-hub -y
hub ams-hub ams "$eu_port"; ams_port=$port
hub fra-hub fra "$eu_port"; fra_port=$port
until_true 30 "two sites wait to be accepted" pending 2
show 0 keys accept ams-hub fra-hub -y
for n in 1 2 3; do minion "ams-web$n" "$ams_port"; minion "fra-web$n" "$fra_port"; done
until_true 30 "six minions wait to be accepted" pending 6
show 0 keys accept '*-web*' -y
until_true 30 "six minions are up" up 6

bold "The tree, counted exactly"
show 0 tree
says "eu/ams"

bold "Every minion of every site"
show 0 run '*' test.ping --summary
[ "$(grep -c True <<<"$shown")" = 6 ] || fail "not six answers"
show 0 run 'eu/ams/*' cmd.run 'echo $((6 * 7))' --group
says "42"

bold "States and pillar from git: what would change, then the change, then nothing more to do"
show 0 roots update --wait
show 0 run ams-web1 state.apply test=True
says "(unchanged=2, changed=2)"
[ ! -e "$work/ams-web1/motd" ] || fail "test=True has changed something"
show 0 run '*' state.apply --out quiet --summary
[ "$(cat "$work/ams-web1/motd")" = "welcome, first edition: ams-web1 in Amsterdam" ] || fail "ams-web1 has another motd"
[ "$(cat "$work/fra-web3/motd")" = "welcome, first edition: fra-web3 in Frankfurt" ] || fail "fra-web3 has another motd"
show 0 run fra-web3 state.apply --state-output changes
says "Succeeded: 2"
[[ "$shown" != *changed=* ]] || fail "the second time changes something"

bold "A push, and every site applies the new commit"
commit "welcome, second edition"
show 0 roots update --wait
show 0 run '*' state.apply --out quiet --summary
for minion in ams-web1 ams-web2 ams-web3 fra-web1 fra-web2 fra-web3; do
  grep -q "second edition: $minion in" "$work/$minion/motd" || fail "$minion has another edition"
done
show 0 run ams-web1 cp.get_file_str salt://motd/motd.jinja
says "second edition"

bold "What hands remember: Salt's commands by their old names, targets by pillar, runners, an orchestration"
mkdir "$work/names"
show 0 install-names --dir "$work/names"
salt=("$work/names/salt" --root-dir "$work/top" -I city:Amsterdam test.ping --static --out=json --out-indent=-1)
printf '$ salt'; printf ' %q' "${salt[@]:3}"; printf '\n'
shown=$("${salt[@]}") || fail "salt has failed"
echo "$shown"
says '{"ams-web1": true, "ams-web2": true, "ams-web3": true}'
show 0 run -I city:Frankfurt --dry-run
show 0 orchestrate orch.rollout
says "Succeeded: 2"
show 0 runner manage.up --out txt
show 0 jobs list --function 'state.*' --limit 3

bold "A dead minion is named at once"
kill -KILL "${pids[ams-web2]}"
show 3 run '*' test.ping --out txt
says "ams-web2"
start ams-web2 minion
until_true 40 "the minion is back" up 6

bold "A site that is cut off is named with its count"
kill -STOP "${pids[fra-hub]}"
until_true 20 "the cut is noticed" up 3
show 3 run '*' test.ping --out ledger
[[ "$(tr -d ' \n' <<<"$shown")" == *'"expected":6,"ok":3,"failed":0,"running":0,"queued":0,"unreachable":3'* ]] || fail "the counts are not 3 ok and 3 unreachable"
says "eu/fra"
show 0 tree
kill -CONT "${pids[fra-hub]}"
until_true 60 "the site is back" up 6

bold "Healed"
show 0 run '*' test.ping --out quiet --summary
show 2 run 'nobody*' test.ping

if [ "$keep" = yes ]; then
  bold "The tree is left running"
  echo "  $BANYAN_BIN/top-master --root-dir $work/top tree"
  echo "  $BANYAN_BIN/top-master --root-dir $work/top run '*' test.ping"
  echo "To end it: kill ${pids[*]} && rm -r $work"
else
  bold "All as expected"
fi
