"""Logs from the files of this host, which works without kukeond."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

from kukeon_api.logs import inotify, reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_api import model
    from kukeon_api.logs.selection import Selection
    from kukeon_api.logs.source import Source
    from kukeon_sdk.client import Client

    Entries = tuple[model.LogEntry, ...]


def read(source: Source, wanted: Selection) -> Iterator[Entries]:
    """Yield what is there now.

    Raises FileNotFoundError when nothing was ever written, NoPreviousRun, OSError for files that cannot be read.
    """
    with reader.Reader(source.path, wanted, terminal=source.terminal) as log:
        if not log.found:
            raise FileNotFoundError(source.path)
        while entries := log.read():
            yield entries
        yield log.finish()


def follow(source: Source, wanted: Selection) -> Iterator[Entries]:
    """Yield what is there and what comes, over runs of the container, until the log is removed.

    A log that is not there yet is waited for. Raises OSError for files that cannot be read.
    """
    with inotify.Watch() as watch:
        # What happens from here on wakes us, so nothing falls between a look and the next.
        watch.cover(source.directories)
        with reader.Reader(source.path, wanted, terminal=source.terminal) as log:
            while True:
                if entries := log.read():
                    yield entries
                elif log.gone or not os.path.isdir(source.home):  # noqa: PTH112 (a string throughout)
                    break
                elif not watch.cover(source.directories):
                    watch.wait()
            # What was written between the last look and the removal is still in the open file.
            while entries := log.read():
                yield entries
            yield log.finish()


def on_this_host(client: Client, address: str) -> bool:
    """Tell whether the kukeond at `address` sees the files that we see.

    A socket may lead to another machine (`ssh -L`), where the same paths hold other logs. Then whoever listens is not
    the process that kukeond says it is.
    """
    from kukeon_sdk.address import socket_path

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            probe.connect(socket_path(address))
            # struct ucred: pid, uid, gid; unix(7).
            pid, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    except OSError:
        return False
    return bool(pid == client.ping().pid)
