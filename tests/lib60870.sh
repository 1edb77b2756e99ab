#!/usr/bin/env bash
# Build lib60870-C, a master of IEC 60870-5-101, into a virtual environment: tests/lib60870.sh .venv
#
# Its source is in the source distribution of c104, which the environment has and which is built on it. GPL-3.0: it is
# fetched where tests run, and is in nothing that is handed on.
set -euo pipefail

venv=${1:?usage: $0 VENV}
library=$venv/lib/liblib60870.so
version=$("$venv/bin/python" -c 'from importlib.metadata import version; print(version("c104"))')
[ "$(cat "$library.version" 2>/dev/null)" != "$version" ] || exit 0

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$venv/bin/python" -m pip --disable-pip-version-check download --quiet --no-deps --no-binary c104 -d "$folder" "c104==$version"
tar -xzf "$folder"/c104-*.tar.gz -C "$folder"
cd "$folder"/c104-*/depends/lib60870/lib60870-C
built=$folder/liblib60870.so
cc -shared -fPIC -O1 -w -o "$built" -Iconfig -Isrc/inc/api -Isrc/inc/internal -Isrc/hal/inc -Isrc/common/inc \
  -Isrc/file-service src/common/*.c src/iec60870/*.c src/iec60870/*/*.c src/hal/*/linux/*.c src/hal/time/unix/*.c \
  src/hal/memory/*.c src/file-service/*.c -lpthread
cd - >/dev/null
cp "$built" "$library"
echo "$version" >"$library.version"
