#!/bin/sh
# Before any script: the packages of package-lock.json are in node_modules. Cheap when they are.
set -eu
cd "$(dirname "$0")/../.."
if [ ! -x node_modules/.bin/node ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  # Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms, and a registry that does not
  # carry those leaves them out of the lock. This installs what is locked and writes nothing back.
  npm install --no-save --no-fund --no-audit --no-progress >&2
  touch node_modules/.package-lock.json
fi
