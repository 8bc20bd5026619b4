"""Talk to kukeond from Python: `with kukeon_sdk.dial() as client: client.list_cells()`.

Importing this is cheap; what is named here loads when used, gRPC with the first call.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kukeon_api import errors, model
    from kukeon_sdk.address import UnsupportedSchemeError, default_address
    from kukeon_sdk.client import Client, dial
    from kukeon_sdk.remote import UnixClient

__version__ = "0.1.0"

__all__ = ["Client", "UnixClient", "UnsupportedSchemeError", "default_address", "dial", "errors", "model"]

_HOMES = {
    "Client": "kukeon_sdk.client",
    "UnixClient": "kukeon_sdk.remote",
    "UnsupportedSchemeError": "kukeon_sdk.address",
    "default_address": "kukeon_sdk.address",
    "dial": "kukeon_sdk.client",
}


def __getattr__(name: str) -> Any:
    if name in ("errors", "model"):
        return importlib.import_module(f"kukeon_api.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
