"""What the verbs of all levels share: the store, the host, the names, and who may write what when."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kukeon_runner.locks import KeyedLock

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_api import model
    from kukeon_runner.documents import D
    from kukeon_runner.host.protocol import Host
    from kukeon_runner.layout import Layout
    from kukeon_runner.options import Options
    from kukeon_runner.store import Store
    from kukeon_runner.subnets import Subnets


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Context:
    options: Options
    layout: Layout
    store: Store
    subnets: Subnets
    host: Host
    lock: KeyedLock[model.Ref] = field(default_factory=KeyedLock)
    network_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the networks are read and the firewall is made from them: the last one written is the newest."""
    now: Callable[[], dt.datetime] = utc_now

    async def save(self, doc: D) -> D:
        """Store `doc` durably, off the loop: a write waits for the disk."""
        return await asyncio.to_thread(self.store.save, doc)

    async def forget(self, ref: model.Ref) -> None:
        """Remove the document of `ref` and the files beside it."""
        await asyncio.to_thread(self.store.delete, ref)
