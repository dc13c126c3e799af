"""Runs a program with as few rights as this machine can remove."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.server_process import ROOT

# In a mount namespace of its own: all is read-only but for one folder.
READ_ONLY = """
mount --make-rprivate / || exit
[ -z "$0" ] || mount --bind "$0" "$0" || exit
mount -o remount,ro,bind / || exit
for place in /tmp /var/tmp /dev/shm /run; do mount -o remount,ro,bind "$place" 2>/dev/null; done
cd / && exec "$@"
"""
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]


def find_confinement(folder: Path | None) -> list[str]:
    """Return the command that runs a program as nobody and read-only but for a folder.

    Where that is not allowed, as in some containers, it is the strictest one that works.
    """
    read_only = ["--mount", "sh", "-c", READ_ONLY, str(folder or "")]
    if os.geteuid() == 0:
        candidates = [["unshare", *read_only, *NOBODY], NOBODY]
    else:
        candidates = [["unshare", "--user", "--map-root-user", *read_only]]
    for candidate in candidates:
        try:
            # The checkout may lie where nobody can read it.
            program = [*candidate, sys.executable, "-c", f"import os; os.stat({str(ROOT)!r})"]
            if subprocess.run(program, capture_output=True, check=False).returncode == 0:
                return candidate
        except FileNotFoundError:
            continue
    return []
