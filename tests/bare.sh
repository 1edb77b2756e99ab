#!/usr/bin/env bash
# Type `make run` on a bare Debian 12: nothing but python3 and make, in a tree made by debootstrap.
#
# Wants root and the right to mount and chroot. What it mounts is in a namespace of its own and goes with it. Packages
# come from where this machine's own come from.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { echo "SKIPPED make run on a bare Debian: $1"; exit 0; }

if [ $# = 0 ]; then
  [ "$(id -u)" = 0 ] || skip "only root may chroot; try: sudo tests/bare.sh"
  command -v debootstrap >/dev/null || skip "no debootstrap; try: apt-get install debootstrap"
  unshare --mount --pid --fork mount -t tmpfs none /mnt 2>/dev/null ||
    skip "mounting is not permitted here; in a container, try: docker run --privileged ..."
  tree=$(mktemp -d)
  trap 'rm -rf --one-file-system "$tree"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  unshare --mount --pid --fork --kill-child "$0" "$tree"
  exit
fi

tree=$1
chmod 755 "$tree"
inside=(chroot "$tree" env -C /pilotfarm PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root)
fail() { echo "FAILED: $1"; cat "$tree/out"; exit 1; }

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Release: bookworm' 'Component: main' | sed -n 1p)
log=$(debootstrap --variant=minbase --include=python3,make,ca-certificates bookworm "$tree" ${mirror:+"$mirror"} 2>&1) ||
  { tail <<<"$log"; exit 1; }
mount -t proc proc "$tree/proc"
for each in /etc/hosts /etc/resolv.conf /etc/pip.conf "$HOME/.config/pip/pip.conf" /usr/local/share/ca-certificates; do
  if [ -e "$each" ]; then cp --recursive --dereference --parents "$each" "$tree"; fi
done
apt-config dump | grep -E '^Acquire::(https?|Check)' >"$tree/etc/apt/apt.conf.d/as-outside" || true
mkdir "$tree/pilotfarm"
git -c safe.directory='*' ls-files -z | tar --create --null --files-from - | tar --extract --no-same-owner --directory "$tree/pilotfarm"
"${inside[@]}" update-ca-certificates >/dev/null 2>&1

# Who may not install is told what to type.
if chroot --userspec nobody "$tree" make -C /pilotfarm run >"$tree/out" 2>&1; then
  fail "make run came through without python3-venv"
fi
grep -q '^ *sudo apt-get install python3.11-venv$' "$tree/out" || fail "make run did not say what to type"

# Who may gets a running site; twice, for the second time finds everything there.
set -m  # a job of its own, or the site would not hear the interrupt
for time in first second; do
  "${inside[@]}" make run >"$tree/out" 2>&1 &
  make=$!
  for _ in $(seq 1200); do
    if grep -q '^ready http' "$tree/out" || ! kill -0 "$make" 2>/dev/null; then break; fi
    sleep 0.5
  done
  grep -q '^ready http' "$tree/out" || fail "make run did not get ready for the $time time"
  site=$(tr -d ' ' <"$tree/proc/$make/task/$make/children")
  kill -INT "$site"
  wait "$make" || fail "make run, interrupted, ended with $?"
done
echo "ok: $("${inside[@]}" python3 --version) and make, nothing else: make run brings up norway and ends with 0"
