#!/bin/sh
# with-dependencies.sh [COMMAND [ARG...]]
# Makes a fresh clone runnable: installs the npm packages unless those of package-lock.json are
# there, Node.js 24 among them, and runs the command with them first in the PATH. Needs some Node.js
# (18 or later) with npm. What else the commands need, they install themselves (docker/local).
set -eu
cd "$(dirname "$0")/.."

if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
  echo "Node.js 18 or later with npm is needed (Debian and Ubuntu: apt-get install nodejs npm)." >&2
  exit 1
fi

if ! node docker/dependencies-current.mjs; then
  echo "Installing the npm packages of package-lock.json, Node.js 24 among them ..." >&2
  started=$(date +%s)
  # npm says nothing for long, and nothing at all where there is no terminal.
  (
    while sleep 5; do
      echo "Installing the npm packages ... $(($(date +%s) - started)) s" >&2
    done
  ) &
  ticker=$!
  trap 'kill "$ticker" 2>/dev/null || true' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  npm ci --no-fund --no-audit --loglevel=error >&2
  kill "$ticker"
  trap - EXIT INT TERM
  echo "Installing the npm packages: done in $(($(date +%s) - started)) s" >&2
fi

PATH=$PWD/node_modules/.bin:$PATH
export PATH
[ $# != 0 ] || exit 0
# What the command starts ends with it; so it must end with npm, even if that is killed.
if command -v setpriv >/dev/null; then
  exec setpriv --pdeathsig SIGTERM -- "$@"
fi
exec "$@"
