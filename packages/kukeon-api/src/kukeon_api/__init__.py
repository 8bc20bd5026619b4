"""The vocabulary of kukeon: documents, manifests, wire format, errors.

`model` has the nouns, `errors` what can go wrong, `manifest` reads and writes YAML, `wire` and `methods` carry it all
over gRPC.  Importing this package is cheap; the parts load when used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kukeon_api.errors import APIError, KukeonError, from_api_error, kind_from_error, to_api_error

__version__ = "0.1.0"

_FROM_ERRORS = ("APIError", "KukeonError", "from_api_error", "kind_from_error", "to_api_error")

__all__ = ["APIError", "KukeonError", "from_api_error", "kind_from_error", "to_api_error"]


def __getattr__(name: str) -> Any:
    if name in _FROM_ERRORS:
        return getattr(importlib.import_module("kukeon_api.errors"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
