"""Build the package with hls.js in it, which the pages need to play HLS videos."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).parent / "tools"))

from fetch_hls import fetch_or_warn


class BuildWithHls(build_py):
    """Builds the modules, and fetches hls.js beside them; an editable install uses the checkout."""

    def run(self) -> None:
        """Do both."""
        super().run()
        if not self.editable_mode:
            fetch_or_warn(Path(self.build_lib) / "chat" / "vendor")


setup(cmdclass={"build_py": BuildWithHls})
