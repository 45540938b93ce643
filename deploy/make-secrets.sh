#!/bin/sh
# Makes what the service and its database keep secret, once: deploy/make-secrets.sh [DIRECTORY] [DATABASE_HOST]
# Needs node. Never replaces a file that is there.
set -eu
directory=${1:-deploy/secrets}
host=${2:-database}

umask 077
mkdir -p "$directory"
cd "$directory"
printf '*\n' > .gitignore

make() {
  [ -e "$1" ] && { echo "kept $1" >&2; return; }
  node -e "const { generateKeyPairSync, randomBytes } = require('node:crypto'); console.log($2)" > "$1.new"
  mv "$1.new" "$1"
  echo "made $1" >&2
}

make database-password "randomBytes(24).toString('hex')"
# The password is read by node: an argument would show in the process list.
make database-url "'postgres://countersign:' + require('node:fs').readFileSync('database-password', 'utf8').trim() + '@$host/countersign'"
make pepper "'p1:' + randomBytes(32).toString('base64')"
make signing-keys.json "JSON.stringify({ keys: [generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })] })"
