#!/bin/sh
# Make .venv. Debian keeps the part of Python that does it in a package of its own.
set -eu
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "danmaku needs Python 3.11 or newer; set PYTHON=… to the one to use." >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    else
        echo "Python cannot make a virtual environment here. Install it: apt-get install python3-venv" >&2
        exit 1
    fi
fi
# What an interrupted run has left is made anew.
"$python" -m venv --clear .venv
