#!/usr/bin/env bash
# Install a built wheel outside the checkout and bring a site up from another folder, on each Python.
set -euo pipefail
wheel=$(readlink -f "$1")

interpreter() {  # a working pythonX.Y, also where a version manager keeps it off the path
  local each
  for each in "$(command -v "python$1" || true)" "$HOME"/.pyenv/versions/"$1".*/bin/python; do
    if [ -x "$each" ] && "$each" -c '' 2>/dev/null; then
      echo "$each"
      return
    fi
  done
}

try() {  # brings norway up from an empty folder, asks it how it is, and ends it
  local python=$1 folder=$2 pid url
  "$python" -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$wheel" 2>&1 | { grep -v "^WARNING" || true; }
  mkdir "$folder/elsewhere"
  cd "$folder/elsewhere"
  ../venv/bin/pilotfarm check norway >/dev/null
  ../venv/bin/pilotfarm up norway --quiet --api 127.0.0.1:0 >out 2>err &
  pid=$!
  for _ in $(seq 600); do
    if grep -q '^ready http' out || ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  cat err
  url=$(sed -n 's/^ready //p' out)
  ../venv/bin/python -c "import httpx, sys; httpx.get(sys.argv[1] + '/healthz').raise_for_status()" "$url"
  kill -TERM "$pid"
  wait "$pid"
}

tried=0
for version in 3.11 3.12 3.13; do
  python=$(interpreter "$version")
  if [ -z "$python" ]; then
    echo "SKIPPED Python $version: not on this machine"
    continue
  fi
  folder=$(mktemp -d)
  (try "$python" "$folder")
  rm -rf "$folder"
  echo "ok: $("$python" --version): the wheel brings up norway from another folder and ends with 0"
  tried=$((tried + 1))
done
[ "$tried" -gt 0 ]
