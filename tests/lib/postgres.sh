#!/bin/bash
# A throwaway PostgreSQL for tests, on a free port of 127.0.0.1.
#
#   tests/lib/postgres.sh start DIR    starts one with its data in DIR and prints its URL
#   tests/lib/postgres.sh stop DIR     stops it and removes DIR
#   tests/lib/postgres.sh run COMMAND… starts one, runs the command with HEARTH_TEST_POSTGRES set
#                                      to its URL, stops it; the exit status is the command's
#
# Nothing of it is durable: flushing is off, because tests do not need their data after a crash.
set -euo pipefail

say() { printf 'postgres.sh: %s\n' "$*" >&2; }

bin_dir() {
  local dir
  for dir in /usr/lib/postgresql/*/bin; do
    [ -x "$dir/initdb" ] && { echo "$dir"; return; }
  done
  dir=$(command -v initdb) && { dirname "$(readlink -f "$dir")"; return; }
  say "PostgreSQL is not installed: apt-get install postgresql"
  return 1
}

# The server refuses to run as root: then it runs as the packages' user.
as_server() {
  if [ "$(id -u)" = 0 ]; then
    (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups env HOME=/tmp "$@")
  else
    "$@"
  fi
}

free_port() {
  python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

start() {
  local dir=$1 bin port attempt
  bin=$(bin_dir)
  mkdir -p "$dir"
  if [ "$(id -u)" = 0 ]; then chown postgres: "$dir"; fi
  as_server "$bin/initdb" --pgdata="$dir/data" --auth=trust --username=hearth --encoding=UTF8 \
    --no-locale --no-sync >"$dir.initdb.log" 2>&1 || { cat "$dir.initdb.log" >&2; return 1; }
  rm -f "$dir.initdb.log"
  for attempt in 1 2 3; do  # The free port may be taken before the server has it.
    port=$(free_port)
    if as_server "$bin/pg_ctl" start --pgdata="$dir/data" --log="$dir/server.log" --wait --silent \
      --options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories='' \
        -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 \
        -c shared_buffers=32MB -c max_pred_locks_per_transaction=128" >/dev/null; then
      echo "postgresql://hearth@127.0.0.1:$port/postgres"
      return 0
    fi
    say "attempt $attempt to start failed"
  done
  cat "$dir/server.log" >&2
  return 1
}

stop() {
  local dir=$1 bin
  bin=$(bin_dir)
  as_server "$bin/pg_ctl" stop --pgdata="$dir/data" --mode=immediate --silent >/dev/null || true
  rm -rf "$dir"
}

case "${1:-}" in
  start) start "${2:?the folder for its data}" ;;
  stop) stop "${2:?the folder of its data}" ;;
  run)
    shift
    dir=$(mktemp -d "${TMPDIR:-/tmp}/hearth-postgres.XXXXXX")
    chmod 755 "$dir"
    trap 'stop "$dir/pg"; rm -rf "$dir"' EXIT
    HEARTH_TEST_POSTGRES=$(start "$dir/pg") "$@"
    ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
