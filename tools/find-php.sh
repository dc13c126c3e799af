#!/bin/sh
# Make sure that the test of docs/identity.md has PHP; without it it is skipped.
set -eu
if command -v php >/dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing PHP for the tests…"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends php-cli >/dev/null
    exit 0
fi
echo "The test of the PHP example is skipped without it. Install as root: apt-get install php-cli" >&2
