#!/usr/bin/env bash
# Install a built wheel outside the checkout and bring a site up from another folder, on each Python.
set -euo pipefail
wheel=$(readlink -f "$1")
tried=0

for version in 3.11 3.12 3.13; do
  python=$(command -v "python$version" || true)
  # A version manager may leave a name on the path behind which nothing stands.
  if [ -z "$python" ] || ! "$python" -c '' 2>/dev/null; then
    python=$(ls "$HOME"/.pyenv/versions/"$version".*/bin/python 2>/dev/null | head -n 1 || true)
  fi
  if [ -z "$python" ]; then
    echo "SKIPPED Python $version: not on this machine"
    continue
  fi
  folder=$(mktemp -d)
  "$python" -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$wheel"
  mkdir "$folder/elsewhere"
  (
    cd "$folder/elsewhere"
    ../venv/bin/pilotfarm check norway >/dev/null
    ../venv/bin/pilotfarm up norway --quiet --api 127.0.0.1:0 >out 2>err &
    pid=$!
    for _ in $(seq 300); do grep -q '^ready http' out && break; sleep 0.1; done
    url=$(sed -n 's/^ready //p' out)
    ../venv/bin/python -c "import httpx, sys; r = httpx.get(sys.argv[1] + '/healthz'); r.raise_for_status()" "$url"
    kill -TERM "$pid"
    wait "$pid"
  ) || { cat "$folder/elsewhere/err"; echo "FAILED on $("$python" --version)"; exit 1; }
  echo "ok: $("$python" --version): the wheel brings up norway from another folder and ends with 0"
  rm -rf "$folder"
  tried=$((tried + 1))
done
[ "$tried" -gt 0 ]
