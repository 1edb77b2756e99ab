#!/usr/bin/env bash
# Print every Python from 3.11 on that this machine has, oldest first, a path a line.
set -euo pipefail
shopt -s nullglob

for minor in $(seq 11 30); do  # also where a version manager keeps one off the path
  for each in "$(command -v "python3.$minor")" "$HOME"/.pyenv/versions/"3.$minor".*/bin/python "$(command -v python3)"; do
    if [ "$("$each" -c 'import sys; print(sys.version_info[1])' 2>/dev/null)" = "$minor" ]; then
      echo "$each"
      break
    fi
  done
done
