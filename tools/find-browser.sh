#!/bin/sh
# Make sure that the tests have a Chromium, and fonts for what people write.
set -eu
if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium for the tests…"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        chromium fonts-noto-cjk fonts-noto-color-emoji >/dev/null
    exit 0
fi
if .venv/bin/python -m playwright install chromium-headless-shell >/dev/null 2>&1 &&
    .venv/bin/python - >/dev/null 2>&1 <<'END'; then
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    playwright.chromium.launch().close()  # it may lack libraries of the system's
END
    exit 0
fi
echo "The tests need Chromium. Install it as root: apt-get install chromium fonts-noto-cjk" >&2
exit 1
