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

    # Constants by name, so that a type checker knows which there are; a test compares them with the table of methods.
    METHOD_PING: str
    METHOD_APPLY_DOCUMENTS: str
    METHOD_DELETE_DOCUMENTS: str
    METHOD_CREATE_REALM: str
    METHOD_CREATE_SPACE: str
    METHOD_CREATE_STACK: str
    METHOD_CREATE_CELL: str
    METHOD_CREATE_CONTAINER: str
    METHOD_GET_REALM: str
    METHOD_GET_SPACE: str
    METHOD_GET_STACK: str
    METHOD_GET_CELL: str
    METHOD_GET_CONTAINER: str
    METHOD_LIST_REALMS: str
    METHOD_LIST_SPACES: str
    METHOD_LIST_STACKS: str
    METHOD_LIST_CELLS: str
    METHOD_LIST_CONTAINERS: str
    METHOD_START_CELL: str
    METHOD_STOP_CELL: str
    METHOD_KILL_CELL: str
    METHOD_RESTART_CELL: str
    METHOD_START_CONTAINER: str
    METHOD_STOP_CONTAINER: str
    METHOD_KILL_CONTAINER: str
    METHOD_RESTART_CONTAINER: str
    METHOD_DELETE_REALM: str
    METHOD_DELETE_SPACE: str
    METHOD_DELETE_STACK: str
    METHOD_DELETE_CELL: str
    METHOD_DELETE_CONTAINER: str
    METHOD_PURGE_REALM: str
    METHOD_PURGE_SPACE: str
    METHOD_PURGE_STACK: str
    METHOD_PURGE_CELL: str
    METHOD_PURGE_CONTAINER: str
    METHOD_REFRESH_ALL: str
    METHOD_ATTACH_CONTAINER: str
    METHOD_LOG_CONTAINER: str
    METHOD_LOAD_IMAGE: str
    METHOD_LIST_IMAGES: str
    METHOD_GET_IMAGE: str
    METHOD_DELETE_IMAGE: str
    METHOD_PULL_IMAGE: str
    METHOD_PUSH_IMAGE: str
    METHOD_SAVE_IMAGE: str
    METHOD_TAG_IMAGE: str
    METHOD_PRUNE_IMAGES: str
    METHOD_EVENTS: str
    METHOD_LOGS: str
    METHOD_EXEC: str
    METHOD_ATTACH: str
    METHOD_RESIZE_TERMINAL: str

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


if not TYPE_CHECKING:  # else it would take every misspelled name for one of these

    def __getattr__(name: str) -> Any:
        if name in ("errors", "model"):
            return importlib.import_module(f"kukeon_api.{name}")
        if name in _HOMES:
            return getattr(importlib.import_module(_HOMES[name]), name)
        if name == "SERVICE_NAME" or name.startswith("METHOD_"):
            methods = importlib.import_module("kukeon_api.methods")
            return methods.SERVICE if name == "SERVICE_NAME" else getattr(methods, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    methods = importlib.import_module("kukeon_api.methods")
    constants = (f"METHOD_{name.upper()}" for name in methods.BY_PYTHON)
    return sorted({*globals(), *__all__, *constants})
