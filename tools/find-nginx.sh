#!/bin/sh
# Make sure that the test of the documented nginx configuration has nginx; without it it is skipped.
set -eu
if command -v nginx >/dev/null || [ -x /usr/sbin/nginx ]; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing nginx for the tests…"
    apt-get update -qq
    # The service must not start, and take port 80.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light >/dev/null
    exit 0
fi
echo "The test of the nginx configuration is skipped without it. Install as root: apt-get install nginx" >&2
