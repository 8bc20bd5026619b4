"""Memory that was freed goes back to the kernel (door: malloc_trim of the C library).

Images pass through in pieces of a mebibyte.  glibc keeps what was freed between smaller things that last, and a daemon
that once pulled would occupy tens of megabytes for ever.  Having each piece mapped by itself (mallopt) keeps less, but
costs three times the processor time.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# musl has none, and keeps less.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


@contextlib.contextmanager
def given_back() -> Iterator[None]:
    """Give back what the body has freed; takes a few milliseconds."""
    try:
        yield
    finally:
        if _trim is not None:
            _trim(0)
