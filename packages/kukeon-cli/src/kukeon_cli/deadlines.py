"""How long kuke waits for an answer, by the kind of call. A kukeond that hangs must not hang a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_sdk.calls import Calls

if TYPE_CHECKING:
    from kukeon_sdk.client import Client

READ_S = 30.0
"""Ten thousand cells are listed in less than one."""
CHANGE_S = 300.0
"""One cell with all its containers; a stop waits for its programs as long as these may take."""
MANY_S = 1800.0
"""What goes over many resources, or carries an image: it grows with what it is given."""

_MANY = frozenset(
    {
        "apply_documents",
        "delete_documents",
        "load_image",
        "prune_images",
        "refresh_all",
        *(f"{verb}_{kind}" for verb in ("delete", "purge") for kind in ("realm", "space", "stack")),
    }
)


def usual_s(name: str) -> float:
    """Return how many seconds the method `name` of a client may take when nobody says otherwise."""
    from kukeon_api import methods

    if name in _MANY:
        return MANY_S
    return CHANGE_S if methods.BY_PYTHON[name].writes else READ_S


def lasting(name: str) -> bool:
    """Tell whether the method `name` goes on until somebody ends it."""
    from kukeon_api import methods

    return bool(methods.BY_PYTHON[name].stream)


class Deadlines(Calls):
    """A client that gives every call without a time of its own one: `timeout_s` (0: none), None for the usual."""

    def __init__(self, client: Client, timeout_s: float | None = None) -> None:
        self._client = client
        self._timeout_s = timeout_s

    def perform(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        """Do the method of the client behind; `TimedOut` then says how to allow more time."""
        method = getattr(self._client, name)
        if timeout is not None or lasting(name):
            return method(**arguments, timeout=timeout)
        chosen_s = usual_s(name) if self._timeout_s is None else self._timeout_s
        if not chosen_s:
            return method(**arguments, timeout=None)
        try:
            return method(**arguments, timeout=chosen_s)
        except errors.TimedOut as exc:
            raise type(exc)(exc.message, kind=exc.kind, hint=_hint(name, exc)) from exc

    def close(self) -> None:
        """Close the client behind. Twice is fine."""
        self._client.close()


def _hint(name: str, exc: errors.TimedOut) -> str:
    from kukeon_api import methods

    if methods.BY_PYTHON[name].writes:
        return f"{exc.hint or 'allow more time'}: --timeout 1h"
    return "kukeond may hang: see `kuke status` and `kuke daemon logs`; or allow more time: --timeout 5m"
