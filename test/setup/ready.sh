#!/bin/sh
# Before any script: the packages of package-lock.json are in node_modules. Cheap when they are.
set -eu
cd "$(dirname "$0")/../.."
if [ ! -x node_modules/.bin/node ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-fund --no-audit --no-progress >&2
fi
