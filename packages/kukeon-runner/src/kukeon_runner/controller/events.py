"""What happens to resources, over the wire."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kukeon_api import happenings as api
from kukeon_runner.controller.base import Base

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from kukeon_api import model


class Events(Base):
    async def events(
        self,
        realm: str = "",
        space: str = "",
        stack: str = "",
        cell: str = "",
        kinds: Sequence[str] = (),
        since: str = "",
        follow: bool = False,
    ) -> AsyncGenerator[model.Event, None]:
        """Yield what happens within these parents, to resources of these kinds; empty names, or no kinds, mean any.

        See `Happenings.events` for `since` and `follow`. Raises Invalid for what is no kind or no cursor.
        """
        api.check_kinds(kinds)
        wanted = (realm, space, stack, cell)
        happenings = self.runner.context.happenings
        async with contextlib.aclosing(happenings.events(since, follow=follow)) as found:
            async for event in found:
                if api.within(event, wanted, kinds):
                    yield event
