"""Cutting a long list into replies that fit into a message.

A page token is the key of the last item sent, so pages need no memory between calls, and what is created or deleted
meanwhile neither repeats nor hides anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import calls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_api.methods import Method

# Half of what a message may have: room enough for one item of any sane size.
PAGE_BYTES = 32 << 20


def reply(method: Method, items: Sequence[Any], token: str, page_bytes: int = PAGE_BYTES) -> Any:
    """Return the reply with the page of `items` that follows `token` (empty: the first)."""
    if token:
        items = [item for item in sorted(items, key=key) if key(item) > _key_of(token)]
    packed = calls.pack_reply(method, items)
    if packed.ByteSize() <= page_bytes or len(items) < 2:
        return packed
    if not token:
        items = sorted(items, key=key)
        packed = calls.pack_reply(method, items)
    size, count = 0, 0
    for message in getattr(packed, method.listed):
        size += message.ByteSize()
        if count and size > page_bytes:
            break
        count += 1
    return calls.pack_reply(method, items[:count], "/".join(key(items[count - 1])) if count < len(items) else "")


def key(item: Any) -> tuple[str, ...]:
    """Return where `item`, a document or a container's spec, is: the names from the realm down."""
    spec = getattr(item, "spec", item)
    above = [getattr(spec, f"{level}_id", "") for level in ("realm", "space", "stack", "cell")]
    own = item.metadata.name if hasattr(item, "metadata") else item.id
    return (*above, own)


def _key_of(token: str) -> tuple[str, ...]:
    return tuple(token.split("/"))
