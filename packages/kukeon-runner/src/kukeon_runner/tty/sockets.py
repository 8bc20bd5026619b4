"""Sockets that never have wider rights than they are meant to have: bound out of reach, then renamed into place."""
# ruff: noqa: PTH101, PTH104, PTH108, PTH119 - pathlib would cost memory

from __future__ import annotations

import contextlib
import os
import socket

BACKLOG = 64


def listen(path: str, hidden: str, *, mode: int, gid: int = 0) -> socket.socket:
    """Return a socket that listens at `path`, whatever was there before; `hidden` is a directory that only we enter."""
    bound = f"{hidden}/{os.path.basename(path)}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(bound)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        listener.bind(bound)
        os.chmod(bound, mode)
        if gid:
            os.chown(bound, 0, gid)
        listener.listen(BACKLOG)
        os.rename(bound, path)
    except BaseException:
        listener.close()
        raise
    return listener
