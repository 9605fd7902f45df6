#!/bin/sh
# Prepares the volumes of deploy/compose.yaml: in each of them a folder for each component, which nobody else mounts, and the keys
# with which the components sign their calls. It keeps what exists. The service `prepare` runs it as root, and ends.
#
#   prepare.sh VOLUMES
set -eu
cd "$1"
umask 077
# Root may change owners here, and nothing else that is not its own.
chown 0:0 data keys models sockets
[ -e keys/keys.json ] || python3 -m soundwright.services.library signing-keys keys > /dev/null
for component in gateway library ingest separation analysis generation
do
  own="data/$component models/$component sockets/$component keys/$component"
  mkdir -p $own
  chown 0:0 "keys/$component"
  rm -f "keys/$component/keys.json" "keys/$component/signing.pem"
  cp keys/keys.json "keys/$component/keys.json"
  cp "keys/$component.pem" "keys/$component/signing.pem"
  chown 10001:10001 "keys/$component/keys.json" "keys/$component/signing.pem" $own
done
chmod 0755 sockets
chown 10001:10001 mongodb minio nats
