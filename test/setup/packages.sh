#!/bin/sh
# Installs the Debian packages that the lab, the image builds and the real-tool tests need. Cheap when they are there.
set -eu
packages="$(sed 's/#.*//' "$(dirname "$0")/packages.txt" | tr '\n' ' ')"
missing=""
for package in $packages; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >&2
# policy-rc.d keeps a package's services from starting here: tests start their own.
# shellcheck disable=SC2086
apt-get install -y -q --no-install-recommends $missing >&2
