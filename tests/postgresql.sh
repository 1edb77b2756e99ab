#!/usr/bin/env bash
# Run a command beside a PostgreSQL server that lives as long as it: tests/postgresql.sh make test
#
# The server is new and empty, on a free port of loopback, in a temporary folder; the command finds
# it by PILOTFARM_TEST_POSTGRESQL, an SQLAlchemy URL. Works as root too, where Debian's postgresql is installed.
set -euo pipefail

[ $# -gt 0 ] || { echo "usage: $0 COMMAND [ARGUMENT]..." >&2; exit 2; }

bin=$(dirname "$(readlink -f "$(command -v initdb || printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -1)")")
if ! [ -x "$bin/initdb" ] || ! [ -x "$bin/pg_ctl" ]; then
  echo "no PostgreSQL server here; on Debian: apt-get install postgresql" >&2
  exit 2
fi

folder=$(mktemp -d /tmp/pilotfarm-postgresql.XXXXXX)  # short: the path of a Unix socket has a limit
as_owner() { "$@"; }
if [ "$(id -u)" = 0 ]; then  # PostgreSQL refuses to run as root
  as_owner() { runuser -u postgres -- "$@"; }
  chown postgres "$folder"
fi

stop() {
  if [ -e "$folder/data/postmaster.pid" ]; then
    (cd "$folder" && as_owner "$bin/pg_ctl" stop --silent --mode immediate --pgdata data) || true
  fi
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
# The folder is its owner's alone, so is the password's file in it; what is stored need not outlive a crash.
(
  cd "$folder"
  as_owner sh -c 'cat >password' <<<"$password"
  as_owner "$bin/initdb" --pgdata data --username pilotfarm --pwfile password --auth scram-sha-256 \
    --encoding UTF8 --locale C --no-sync >log
  as_owner "$bin/pg_ctl" start --silent --wait --pgdata data --log "$folder/server.log" \
    --options "-h 127.0.0.1 -p $port -k $folder -F"
) || { cat "$folder"/*log >&2; exit 2; }

export PILOTFARM_TEST_POSTGRESQL="postgresql://pilotfarm:$password@127.0.0.1:$port/postgres"
"$@"
