#!/usr/bin/env bash
# Install a built wheel outside the checkout and bring sites up from another project's folder, on each Python.
set -euo pipefail
wheel=$(readlink -f "$1")
cd "$(dirname "$0")"

try() {  # brings norway up where other packages have the names of our folders, asks it how it is, and ends it
  local python=$1 folder=$2 pid url
  sed '/--hash/d; s/ \\$//' ../requirements/run.txt >"$folder/constraints"
  "$python" -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --constraint "$folder/constraints" "$wheel" 2>&1 |
    { grep -v "^WARNING" || true; }
  for each in api emulators loadtests profiles; do
    mkdir -p "$folder/project/$each"
    echo 'raise ImportError("this is another project")' >"$folder/project/$each/__init__.py"
  done
  cd "$folder/project"
  export PYTHONPATH=.
  if ../venv/bin/python -c "import api" 2>/dev/null; then return 1; fi
  ../venv/bin/pilotfarm --version >/dev/null
  ../venv/bin/pilotfarm check norway >/dev/null
  ../venv/bin/pilotfarm up norway --quiet --api 127.0.0.1:0 >out 2>err &
  pid=$!
  for _ in $(seq 600); do
    if grep -qs '^ready http' out || ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  cat err
  url=$(sed -n 's/^ready //p' out)
  ../venv/bin/python -c "import httpx, sys; httpx.get(sys.argv[1] + '/healthz').raise_for_status()" "$url"
  ../venv/bin/python -c "import httpx, sys; httpx.get(sys.argv[1] + '/api/v1/docs/swagger-ui.css').raise_for_status()" "$url"
  kill -TERM "$pid"
  wait "$pid"
  ../venv/bin/pip install --quiet --disable-pip-version-check pytest
  echo 'def test_farm(pilotfarm): assert pilotfarm.value("battery-001.soc_frac") > 0' >test_farm.py
  ../venv/bin/python -m pytest -q test_farm.py
  { ../venv/bin/python -m pytest -q -p no:pilotfarm test_farm.py || true; } | grep "fixture 'pilotfarm' not found"
}

mapfile -t pythons < <(./pythons.sh)
[ "${#pythons[@]}" -gt 0 ]
for python in "${pythons[@]}"; do
  folder=$(mktemp -d)
  (try "$python" "$folder")
  rm -rf "$folder"
  echo "ok: $("$python" --version): the wheel brings up norway from another project's folder and ends with 0"
done
