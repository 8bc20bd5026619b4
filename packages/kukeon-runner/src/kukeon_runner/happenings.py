"""What happened to resources, told by what was stored of them before and after, and remembered for a while.

Every change of state goes through the store, so nothing happens that is not told here. Followers read at their own
pace from one ring; who is too slow, or comes back too late, is told to look everything up again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kukeon_api import happenings

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncGenerator

    from kukeon_api import model
    from kukeon_runner.documents import StoredDoc


class Happenings:
    """The events of one kukeond, in the order of their numbers."""

    def __init__(self, remembered: int = happenings.REMEMBERED) -> None:
        self._ring = happenings.Ring(remembered)
        self._more = asyncio.Event()
        """Set by the next event, which puts a new one in its place."""

    def tell(self, before: StoredDoc | None, after: StoredDoc | None, now: dt.datetime) -> None:
        """Remember what happened between two documents of one resource; None: it was or is not there."""
        if self._ring.tell(before, after, now):
            more, self._more = self._more, asyncio.Event()
            more.set()

    async def events(self, since: str = "", *, follow: bool = False) -> AsyncGenerator[model.Event, None]:
        """Yield what is remembered, or what comes after `since`, and with `follow` what happens from then on.

        With `follow` and no `since`, only what happens from now on. Where events after `since` are forgotten, or
        another kukeond gave it out, a Resync comes first. Raises Invalid for what is no cursor.
        """
        reader = self._ring.reader(since, follow=follow)
        while True:
            more = self._more
            while (event := reader.next()) is not None:
                yield event
            if not follow:
                return
            await more.wait()
