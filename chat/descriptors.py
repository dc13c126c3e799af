"""The limit of open files of this process (RLIMIT_NOFILE)."""

from __future__ import annotations

import contextlib
import resource

MANY_DESCRIPTORS = 1_000_000  # in place of an infinite limit


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the hard one, and return how many files may be open now.

    Child processes inherit it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = MANY_DESCRIPTORS
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
