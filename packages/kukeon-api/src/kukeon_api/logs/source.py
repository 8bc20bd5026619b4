"""Where a log is, and where it can come and go."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Where a log is. `home` is the directory of its cell: without that, nothing will ever be written."""

    path: str
    home: str
    terminal: bool = False

    @property
    def directories(self) -> tuple[str, ...]:
        """The directories in which the log can come and go: its own, and those between it and `home`."""
        found, directory = [], os.path.dirname(self.path)  # noqa: PTH120 (a string throughout)
        while len(directory) > len(self.home):
            found.append(directory)
            directory = os.path.dirname(directory)  # noqa: PTH120
        return (*found, self.home)
