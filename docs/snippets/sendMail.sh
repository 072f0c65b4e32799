#!/bin/sh
# Sends one mail and reads its state. Needs BRIDGE_URL, BRIDGE_KEY, MAILBOX and RECIPIENT in the environment.
set -eu
ID="${ID:-shell-$(date +%s)-$$}"

# 202: accepted; 200: the same had been accepted before. Repeat with the same id whenever in doubt.
LOCATION=$(curl --silent --show-error --fail-with-body --retry 5 \
  --header "x-bridge-key: $BRIDGE_KEY" \
  --header 'content-type: application/json' \
  --data "{\"id\":\"$ID\",\"mailbox\":\"$MAILBOX\",\"to\":[\"$RECIPIENT\"],\"subject\":\"From a script\",\"text\":\"Hello.\"}" \
  --output /dev/null --write-out '%header{location}' \
  "$BRIDGE_URL/api/mail")

case "$LOCATION" in http*) ;; *) LOCATION="$BRIDGE_URL$LOCATION" ;; esac
curl --silent --show-error --fail-with-body --header "x-bridge-key: $BRIDGE_KEY" "$LOCATION"
