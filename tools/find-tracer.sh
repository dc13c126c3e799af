#!/bin/sh
# Make sure that the fault tests have strace and libfaketime; without them they say what they skip.
set -eu
if command -v strace >/dev/null && ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing strace and libfaketime for the fault tests…"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends strace faketime >/dev/null
    exit 0
fi
echo "Some fault tests are skipped without them. Install as root: apt-get install strace faketime" >&2
