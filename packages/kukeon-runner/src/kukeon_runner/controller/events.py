"""What happens to resources, over the wire."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kukeon_api import errors, model, suggest
from kukeon_runner.controller.base import Base

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence


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
        for kind in kinds:
            if kind not in model.KINDS:
                raise errors.Invalid(
                    f"cannot follow {kind[:80]!r}: that is no kind of resource",
                    hint=suggest.question(suggest.nearest(kind.capitalize(), model.KINDS)),
                )
        wanted = (realm, space, stack, cell)
        happenings = self.runner.context.happenings
        async with contextlib.aclosing(happenings.events(since, follow=follow)) as found:
            async for event in found:
                if event.type is model.EventType.RESYNC or _within(event, wanted, kinds):
                    yield event


def _within(event: model.Event, wanted: tuple[str, ...], kinds: Sequence[str]) -> bool:
    if kinds and event.kind not in kinds:
        return False
    parts = event.ref.split("/")
    # A resource is within a scope that it lies in; what lies above the scope is not.
    return all(not name or (at < len(parts) and parts[at] == name) for at, name in enumerate(wanted))
