"""The packet rules of this host, kept as they should be although others change nftables, too."""

from __future__ import annotations

import asyncio
import collections
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from kukeon_api import errors
from kukeon_runner.host import nft_changes, nftables
from kukeon_runner.host.nft_changes import ALL, Touched

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_runner.firewall import Wall

log = logging.getLogger(__name__)

SETTLE_S = 0.02
"""After a change was answered: what belongs to it has come by then, and one answer serves all of it."""
BURST, BURST_S = 20, 10.0
"""So many answers within so many seconds are given at once; whoever changes rules more often than that has to wait."""
PATIENT_S = 1.0

_CONF = Path("/proc/sys/net/ipv4/conf")


class PacketFilter:
    def __init__(self, table: str) -> None:
        self._table = table
        self._wall: Wall | None = None
        self._lock = asyncio.Lock()

    async def enforce(self, wall: Wall) -> None:
        """Make rules and routes exactly what `wall` needs. Raises HostError; then the rules are as they were."""
        async with self._lock:
            self._wall = wall
            await self._enforce(wall)

    async def follow(self) -> NoReturn:
        """Put back what others change, from now on. Raises HostError where the kernel does not tell."""
        with nft_changes.Changes(self._table, nftables.own_ports) as changes:
            answers: collections.deque[float] = collections.deque(maxlen=BURST)
            touched = ALL  # whatever happened while nobody listened
            while True:
                touched = await self._answered(touched)
                now = time.monotonic()
                hurried = len(answers) == BURST and now - answers[0] < BURST_S
                answers.append(now)
                await asyncio.sleep(PATIENT_S if hurried or touched else SETTLE_S)
                touched |= await changes.wait() if not touched else changes.read()

    async def _answered(self, touched: Touched) -> Touched:
        """Put back what is `touched`; return what could not be."""
        async with self._lock:
            if self._wall is None:
                return Touched()  # nothing is known yet that could be put back
            began = time.monotonic()
            try:
                if touched.own:
                    await self._enforce(self._wall)
                else:
                    await nftables.apply_foreign(self._table, self._wall)
            except errors.KukeonError as error:
                log.warning("cannot put the packet rules back, trying again: %s", error)
                return touched
        log.info("packet rules looked after in %.0f ms", (time.monotonic() - began) * 1e3)
        return Touched()

    async def _enforce(self, wall: Wall) -> None:
        if not wall.nets:
            await nftables.remove(self._table)
            return
        # Rules before routes: they keep cells from the loopback that the routes would lead them to.
        await nftables.apply(self._table, wall)
        wanted = [(net.bridge, wall.routes_localnet(net.bridge)) for net in wall.nets]
        await asyncio.to_thread(_route_localnet, wanted)


def _route_localnet(bridges: Iterable[tuple[str, bool]]) -> None:
    """Let packets with loopback addresses pass a bridge, or not (ip-sysctl: route_localnet)."""
    for bridge, wanted in bridges:
        path, value = _CONF / bridge / "route_localnet", str(int(wanted))
        try:
            if path.read_text().strip() != value:
                path.write_text(value)
        except FileNotFoundError:
            continue  # a bridge that is gone; when it is made again, this comes again
        except OSError as error:
            raise errors.HostError(f"cannot write {str(path)!r}: {error.strerror}") from error
