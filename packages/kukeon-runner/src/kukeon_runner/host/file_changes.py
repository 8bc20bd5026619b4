"""Wakes tasks when something happens in directories, with one inotify instance for all of them (door).

A user may have 128 instances (inotify(7), max_user_instances), and root shares its own with the rest of the host.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from kukeon_api.logs import inotify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

log = logging.getLogger(__name__)


class FileChanges:
    """Belongs to one event loop. Holds nothing while nobody watches."""

    def __init__(self) -> None:
        self._inotify: inotify.Inotify | None = None
        self._watchers: set[Watcher] = set()

    @contextlib.contextmanager
    def watching(self) -> Iterator[Watcher]:
        """Hand out what a task waits with."""
        watcher = Watcher(self)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            self._release(watcher)

    def add(self, directory: str) -> int:
        """Watch `directory`; its number. Raises OSError."""
        if self._inotify is None:
            self._inotify = inotify.Inotify()
            asyncio.get_running_loop().add_reader(self._inotify.fd, self._wake)
        return self._inotify.add(directory)

    def _wake(self) -> None:
        assert self._inotify is not None
        happened, ended = self._inotify.read()
        for watcher in self._watchers:
            watcher.told(happened, ended)

    def _release(self, watcher: Watcher) -> None:
        if self._inotify is None:
            return
        if not any(other.watched for other in self._watchers):
            asyncio.get_running_loop().remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None
            return
        for watch in watcher.watched.values():
            if not any(watch in other.watched.values() for other in self._watchers):
                self._inotify.remove(watch)


class Watcher:
    """What one task watches. Where the kernel gives no watch, it looks now and then."""

    def __init__(self, changes: FileChanges) -> None:
        self._changes = changes
        self._happened = asyncio.Event()
        self._polls = False
        self.watched: dict[str, int] = {}

    def cover(self, directories: Iterable[str]) -> bool:
        """Watch `directories` as well, whichever there are; True when one of them was not watched before.

        Whoever gets True looks at the files once more before waiting: what happened until now was not watched.
        """
        before = len(self.watched)
        for directory in directories:
            if self._polls or directory in self.watched:
                continue
            try:
                self.watched[directory] = self._changes.add(directory)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                log.warning("cannot watch %r, looking every %g s: %s", directory, inotify.POLL_S, error.strerror)
                self._polls = True
        return len(self.watched) > before

    async def wait(self) -> None:
        """Sleep until something has happened since the last call."""
        if self._polls:
            await asyncio.sleep(inotify.POLL_S)
            return
        await self._happened.wait()
        self._happened.clear()

    def told(self, happened: set[int], ended: set[int]) -> None:
        """Take note of what happened to which watches."""
        if inotify.OVERFLOW in happened or not happened.isdisjoint(self.watched.values()):
            self._happened.set()
        if not ended.isdisjoint(self.watched.values()):
            self.watched = {name: watch for name, watch in self.watched.items() if watch not in ended}
