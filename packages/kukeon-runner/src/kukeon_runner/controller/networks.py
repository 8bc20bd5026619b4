"""Keeping networks as they should be, between calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_runner.controller.base import Base

if TYPE_CHECKING:
    from typing import NoReturn


class Networks(Base):
    async def keep_current(self) -> NoReturn:
        """Put packet rules back when others change them, and look names of egress policies up again in time.

        Asserts all networks first. Runs until cancelled; raises HostError where it cannot go on.
        """
        await self.runner.spaces.keep_current()
