"""What the verbs go to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import labels, model

if TYPE_CHECKING:
    from kukeon_runner.documents import D
    from kukeon_runner.runner.cell import Cells
    from kukeon_runner.runner.context import Context
    from kukeon_runner.runner.realm import Realms
    from kukeon_runner.runner.space import Spaces
    from kukeon_runner.runner.stack import Stacks


class Nouns:
    context: Context
    realms: Realms
    spaces: Spaces
    stacks: Stacks
    cells: Cells

    async def listed(self, kind: type[D]) -> list[D]:
        """The documents of a kind as they are on disk now, in order."""
        await asyncio.to_thread(self.context.store.look, kind)
        return self.context.store.docs(kind)

    async def relabel(self, doc: D) -> D:
        """Store the labels of `doc` beside those that kukeon sets. Raises `<Kind>NotFound`, StaleResource."""
        ref = model.ref_of(doc)
        async with self.context.lock(ref):
            stored = self.context.store.load(ref, type(doc))
            managed = {key: value for key, value in stored.metadata.labels.items() if labels.is_managed(key)}
            metadata = msgspec.structs.replace(stored.metadata, labels=managed | doc.metadata.labels)
            changed = msgspec.structs.replace(stored, metadata=metadata)
            return await self.context.save(changed, doc.metadata.generation or None)


def within(doc: model.Doc, *names: str) -> bool:
    """Whether the parents of `doc` have these names, outermost first; an empty one is any."""
    return all(name in ("", part) for name, part in zip(names, model.ref_of(doc).parts, strict=False))
