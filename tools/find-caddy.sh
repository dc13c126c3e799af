#!/bin/sh
# Make sure that the test of the documented Caddyfile has Caddy; without it it is skipped.
set -eu
if command -v caddy >/dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Caddy for the tests…"
    apt-get update -qq
    # The service must not start, and take ports 80 and 443.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends caddy >/dev/null
    exit 0
fi
echo "The test of the Caddyfile is skipped without it. Install as root: apt-get install caddy" >&2
