"""Talk to kukeond from Python: `with kukeon_sdk.dial() as client: client.list_cells()`.

Importing this is cheap; what is named here loads when used, gRPC with the first call. `kukeon_sdk.aio` has the client
for asyncio, `kukeon_sdk.testing` stand-ins for tests. Beside the names below there is a constant for each method,
as it is called on the wire: `METHOD_CREATE_REALM == "KukeonV1.CreateRealm"`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kukeon_api import errors, model
    from kukeon_api.errors import APIError, from_api_error, kind_from_error, to_api_error
    from kukeon_api.methods import SERVICE as SERVICE_NAME
    from kukeon_sdk.address import UnsupportedSchemeError, default_address
    from kukeon_sdk.client import Client, dial
    from kukeon_sdk.remote import UnixClient
    from kukeon_sdk.sessions import AttachSession, ExecSession
    from kukeon_sdk.streams import Stream

__version__ = "0.1.0"

__all__ = [
    "SERVICE_NAME",
    "APIError",
    "AttachSession",
    "Client",
    "ExecSession",
    "Stream",
    "UnixClient",
    "UnsupportedSchemeError",
    "default_address",
    "dial",
    "errors",
    "from_api_error",
    "kind_from_error",
    "model",
    "to_api_error",
]

_HOMES = {
    "APIError": "kukeon_api.errors",
    "AttachSession": "kukeon_sdk.sessions",
    "Client": "kukeon_sdk.client",
    "ExecSession": "kukeon_sdk.sessions",
    "Stream": "kukeon_sdk.streams",
    "UnixClient": "kukeon_sdk.remote",
    "UnsupportedSchemeError": "kukeon_sdk.address",
    "default_address": "kukeon_sdk.address",
    "dial": "kukeon_sdk.client",
    "from_api_error": "kukeon_api.errors",
    "kind_from_error": "kukeon_api.errors",
    "to_api_error": "kukeon_api.errors",
}


def __getattr__(name: str) -> Any:
    if name in ("errors", "model"):
        return importlib.import_module(f"kukeon_api.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name == "SERVICE_NAME" or name.startswith("METHOD_"):
        methods = importlib.import_module("kukeon_api.methods")
        return methods.SERVICE if name == "SERVICE_NAME" else getattr(methods, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
