"""Sockets that never have wider rights than they are meant to have: bound out of reach, then renamed into place.

When there are no descriptors left, nobody is accepted for a while, and those who are there are served.
"""
# ruff: noqa: PTH101, PTH104, PTH108, PTH119 - pathlib would cost memory

from __future__ import annotations

import contextlib
import errno
import os
import socket

from kukeon_runner.tty.loop import READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_runner.tty.loop import Loop

BACKLOG = 64
ACCEPT_PAUSE_S = 1.0

_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


class Listener:
    """Has `connected` called with each connection to `bound`, which it closes in the end; `who` is whoever connects."""

    def __init__(
        self, loop: Loop, bound: socket.socket, who: str, connected: Callable[[socket.socket], object]
    ) -> None:
        self._loop = loop
        self._bound = bound
        self._who = who
        self._connected = connected
        self._listen()

    def close(self) -> None:
        self._loop.forget(self)
        self._loop.watch(self._bound.fileno(), 0, self._accept)
        self._bound.close()

    def _listen(self) -> None:
        self._loop.watch(self._bound.fileno(), READ, self._accept)

    def _accept(self, _: int) -> None:
        try:
            connection, _address = self._bound.accept()
        except OSError as error:
            if error.errno in _SCARCE:
                # It stays readable, so looking again at once would be all that we do.
                print(f"cannot accept {self._who}: {error.strerror}", flush=True)
                self._loop.watch(self._bound.fileno(), 0, self._accept)
                self._loop.call_in(self, ACCEPT_PAUSE_S, self._listen)
            return
        self._connected(connection)


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
