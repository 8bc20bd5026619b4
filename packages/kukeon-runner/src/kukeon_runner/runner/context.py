"""What the verbs of all levels share: the store, the host, the names, and who may write what when."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, model
from kukeon_runner import documents
from kukeon_runner.happenings import Happenings
from kukeon_runner.locks import KeyedLock
from kukeon_runner.runner import care
from kukeon_runner.runner.pulls import Pulls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from kukeon_runner import credentials
    from kukeon_runner.credentials import Credentials
    from kukeon_runner.documents import D, StoredDoc
    from kukeon_runner.host.protocol import Host
    from kukeon_runner.layout import Layout
    from kukeon_runner.options import Options
    from kukeon_runner.runner.care import Carer
    from kukeon_runner.runner.ports import Claim
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
    credentials: credentials.Store
    lock: KeyedLock[model.Ref] = field(default_factory=KeyedLock)
    network_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the networks are read and the firewall is made from them: the last one written is the newest."""
    port_claims: dict[model.Ref, Claim] = field(default_factory=dict)
    """Ports that verbs have found free, each until the verb ends; see `runner.ports`."""
    pulls: Pulls = field(default_factory=Pulls)
    now: Callable[[], dt.datetime] = utc_now
    happenings: Happenings = field(default_factory=Happenings)
    carers: set[Carer] = field(default_factory=set)
    """Who looks after cells now."""

    async def save(self, doc: D, expected_generation: int | None = None) -> D:
        """Store `doc` durably, off the loop: a write waits for the disk. Raises StaleResource.

        Whoever follows events is told what that changes.
        """
        before = self._stored(model.ref_of(doc))
        after = await asyncio.to_thread(self.store.save, doc, expected_generation)
        self.happenings.tell(before, after, self.now())
        care.tell(self.carers, before, after)
        return after

    async def passwords(self, realm: str) -> Credentials:
        """The registry credentials of a realm with their passwords. Raises CorruptMetadata."""
        return await asyncio.to_thread(self.credentials.load, model.Ref(realm))

    def _stored(self, ref: model.Ref) -> StoredDoc | None:
        try:
            return self.store.find(ref)
        except errors.CorruptMetadata:
            return None

    @contextlib.asynccontextmanager
    async def placed(
        self, ref: model.Ref, kind: type[D], make: Callable[[], Coroutine[Any, Any, D]]
    ) -> AsyncIterator[tuple[D, bool]]:
        """Hold the lock of `ref` with its document: the stored one, or the one that `make` stores now (then True).

        The parent stays while the child comes: `make` runs under its lock, too. Raises `<Parent>NotFound`, of the
        outermost that is missing.
        """
        while True:
            async with contextlib.AsyncExitStack() as held:
                if (made := await self._made(ref, kind, make, held)) is not None:
                    yield made, True
                    return
                await held.enter_async_context(self.lock(ref))
                # What seemed to be there may have been on its way out.
                if (stored := self.store.find(ref, kind)) is not None:
                    yield stored, False
                    return

    async def _made(
        self,
        ref: model.Ref,
        kind: type[D],
        make: Callable[[], Coroutine[Any, Any, D]],
        held: contextlib.AsyncExitStack,
    ) -> D | None:
        """What `make` stores, with the lock of `ref` put into `held`; None when something is stored."""
        above = () if ref.parent is None else (ref.parent,)
        async with self.lock(*above):
            for parent in ref.ancestors:
                self.store.load(parent)
            if self.store.find(ref, kind) is not None:
                return None
            async with contextlib.AsyncExitStack() as mine:
                # Free in a moment: nobody is long at work on what is not stored.
                await mine.enter_async_context(self.lock(ref))
                if self.store.find(ref, kind) is not None:
                    return None
                made = await make()
                held.push_async_exit(mine.pop_all())
                return made

    async def forget(self, ref: model.Ref, *, residue: bool = False) -> bool:
        """Remove the document of `ref` and the files beside it; False when there was nothing. See `Store.delete`."""
        before = self._stored(ref) if ref.kind in documents.KINDS else None
        gone = await asyncio.to_thread(self.store.delete, ref, residue=residue)
        self.happenings.tell(before, None, self.now())
        return gone
