"""Give a run path to a group that did not have it: a host is often used by root alone before `kuke init` makes one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kukeon_runner import durable

if TYPE_CHECKING:
    from kukeon_runner.layout import Layout

_DEEPEST = 5
"""Below `data`: containers' directories with their logs. What is deeper has owners of its own (terminals)."""


def share(layout: Layout, gid: int) -> bool:
    """Have directories and files of the run path belong to group `gid`; tell whether they did not before.

    Directories become 0o2750; files keep their modes, which say already what a group may. Links are not followed, and
    other programs' directories (containerd's root) are left alone. `data` is changed last, and is what is looked at
    first, so a pass that was cut short is repeated.
    """
    with durable.host_errors("share", layout.data), durable.directory(layout.run_path, ()) as run_path:
        data = durable.open_directory("data", run_path)
        try:
            if os.fstat(data).st_gid == gid:
                return False
            _files(run_path, gid)
            _directory(run_path, gid)
            _below(data, gid, 0)
            _directory(data, gid)
        finally:
            os.close(data)
    return True


def _below(fd: int, gid: int, depth: int) -> None:
    _files(fd, gid)
    if depth == _DEEPEST:
        return
    with os.scandir(fd) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in names:
        try:
            child = durable.open_directory(name, fd)
        except FileNotFoundError:
            continue
        try:
            _directory(child, gid)
            _below(child, gid, depth + 1)
        finally:
            os.close(child)


def _directory(fd: int, gid: int) -> None:
    os.fchown(fd, -1, gid)
    os.fchmod(fd, durable.DIRECTORY_MODE)


def _files(fd: int, gid: int) -> None:
    with os.scandir(fd) as entries:
        names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    for name in names:
        try:
            os.chown(name, -1, gid, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            continue
