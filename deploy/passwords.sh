#!/bin/sh
# Writes deploy/.env, the passwords that deploy/compose.yaml uses. It keeps those that exist.
set -eu
file=$(dirname "$0")/.env
umask 077
touch "$file"
for name in ADMIN PLATFORM MINIO MONGODB NATS_GATEWAY NATS_LIBRARY NATS_INGEST NATS_SEPARATION NATS_ANALYSIS NATS_GENERATION NATS_INIT NATS_SYSTEM
do
  grep -q "^${name}_PASSWORD=" "$file" && continue
  # NATS reads a password like a value of its configuration, so it begins with a letter.
  echo "${name}_PASSWORD=p$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >> "$file"
done
