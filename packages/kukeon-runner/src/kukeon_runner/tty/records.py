"""What kuketty must still know after its own restart: one small file for each terminal, replaced atomically.

The files are on tmpfs beside the FIFOs that they tell of, so none outlives a reboot.
"""
# ruff: noqa: PTH104, PTH208 - pathlib would cost memory

from __future__ import annotations

import json
import os
import re

_NAME = re.compile(r"[0-9a-f]{16}")


class Record:
    """One terminal. `task` says whose it is, as "<namespace>/<container id>"."""

    def __init__(
        self,
        *,
        name: str,
        task: str,
        capture: str,
        gid: int = 0,
        max_bytes: int,
        max_files: int,
        typing: str = "",
        typed: bool = False,
        started: bool = False,
        begun: int = 0,
        rotated: int = 0,
    ) -> None:
        """Raise ValueError for what can't be a terminal of ours."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a terminal")
        if not task or not capture.startswith("/") or max_bytes < 1 or max_files < 1:
            raise ValueError(f"terminal {name!r} lacks a task, a capture file or a size of it")
        self.name = name
        self.task = task
        self.capture = capture
        self.gid = gid
        self.max_bytes = max_bytes
        self.max_files = max_files
        self.typing = typing
        """What is to be typed into it when the program is there."""
        self.typed = typed
        self.started = started
        self.begun = begun
        """Bytes that were captured before this program's first."""
        self.rotated = rotated
        """Bytes captured that are no longer in the newest file."""

    def save(self, directory: str) -> None:
        path = f"{directory}/{self.name}.json"
        fresh = f"{path}.new"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w") as file:
            json.dump(vars(self), file)
        os.rename(fresh, path)


def load(directory: str) -> tuple[list[Record], list[str]]:
    """The records of `directory`, and a line for each file that is none."""
    found, problems = [], []
    for entry in sorted(os.listdir(directory)):
        if not entry.endswith(".json"):
            continue
        try:
            with open(f"{directory}/{entry}") as file:
                found.append(Record(**json.load(file)))
        except (OSError, ValueError, TypeError) as error:
            problems.append(f"cannot use {directory}/{entry}: {error}")
    return found, problems
