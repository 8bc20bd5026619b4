"""Client: what a program can ask of kukeon, each method typed and described once (`verbs`); `dial` returns one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from kukeon_sdk.verbs.cells import Cells
from kukeon_sdk.verbs.containers import Containers
from kukeon_sdk.verbs.documents import Documents
from kukeon_sdk.verbs.images import Images
from kukeon_sdk.verbs.levels import Levels
from kukeon_sdk.verbs.streams import Streams

if TYPE_CHECKING:
    import os
    from types import TracebackType

    from kukeon_api import model

DIAL_TIMEOUT_S = 5.0


def dial(address: str | os.PathLike[str] | None = None, *, dial_timeout: float = DIAL_TIMEOUT_S) -> Client:
    """Return a client of the kukeond at `address`: `unix:///a/path`, or an absolute path.

    None means `$KUKEON_HOST`, else unix:///run/kukeon/kukeond.sock. Nothing is connected before the first call, which
    may take `dial_timeout` seconds to get through. Raises `UnsupportedSchemeError` for other schemes, `Invalid` for
    what is no address.
    """
    from kukeon_sdk import address as addresses
    from kukeon_sdk.remote import UnixClient

    path = addresses.socket_path(addresses.default_address() if address is None else address)
    return UnixClient(path, dial_timeout=dial_timeout)


class Client(Documents, Levels, Cells, Containers, Images, Streams, Protocol):
    """Access to the kukeon of one host.

    `timeout` is in seconds; None waits as long as it takes. When it runs out `TimedOut` is raised, and the work that
    was asked for goes on in the daemon: a timeout, like Ctrl-C, ends the waiting only. A document serves as a request
    (`get`, `start`, `stop`, `kill`, `restart`, `delete`, `purge`: its names count, the rest is ignored) and as an
    answer.

    Every method raises `Unavailable` when kukeond can't be reached, `Denied` when its socket may not be used,
    `Invalid` when the input is wrong (`problems` has every place), `HostError` when the host refuses and `Conflict`
    after `close`; what changes something raises `Denied` for the realm `kuke-system`, which is kukeon's own. What else
    one raises stands with it. All of them are in `kukeon_sdk.errors`.
    """

    def close(self) -> None:
        """Hang up. Twice is fine; other methods raise `Conflict` afterwards."""
        ...

    def __enter__(self) -> Self:
        """Return the client itself; leaving the block closes it."""
        ...

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Close the client."""
        ...

    def ping(self, *, timeout: float | None = None) -> model.PingResult:
        """Return which kukeond answers and what it found on its host."""
        ...

    def refresh_all(self, *, timeout: float | None = None) -> model.RefreshAllResult:
        """Look at everything and store the states found; nothing else changes, nothing is started or stopped."""
        ...
