"""UnixClient: the client over a unix socket, connected when it is first used."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_sdk import address, failures, reach
from kukeon_sdk.calls import Calls
from kukeon_sdk.client import DIAL_TIMEOUT_S
from kukeon_sdk.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_api.methods import Method
    from kukeon_sdk.connection import Connection
    from kukeon_sdk.streaming import Items

_TICK_S = 0.01
"""What the kernel's timers count in; one may be so much early (time(7))."""


class UnixClient(Calls):
    """A `Client` of the kukeond that listens at the socket `path`.

    One connection serves all calls, from any number of threads; it is made by the first call and made again when
    kukeond was restarted, and in a child process that was forked (gRPC wants it forked while no call is running).
    `dial_timeout` is how many seconds connecting may take.
    """

    def __init__(self, path: str, dial_timeout: float = DIAL_TIMEOUT_S) -> None:
        self._path = address.check_socket_path(path)
        self._dial_timeout_s = dial_timeout
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"UnixClient({self._path!r})"

    def perform(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        """Do the method `name` of the daemon. Interrupted or out of time, it ends the waiting, not the work."""
        from kukeon_api import methods
        from kukeon_sdk import sessions, streams

        method = methods.BY_PYTHON[name]
        deadline = Deadline(timeout)
        connection = self._connected(method, deadline)
        try:
            if method.stream == "server":
                return streams.Stream(_Items(self, connection, connection.stream(method, arguments, deadline)))
            if method.stream:
                return sessions.SESSIONS[method.name](connection.link(method, arguments, deadline))
            if method.upload:
                return connection.upload(method, arguments, deadline)
            if method.paged:
                return connection.list(method, arguments, deadline)
            return connection.call(method, arguments, deadline)
        except errors.Unavailable:
            self.forget(connection)
            raise

    def close(self) -> None:
        """Hang up; calls that are running on other threads raise `Conflict`. Twice is fine."""
        self._check_process()
        with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self, method: Method, deadline: Deadline) -> Connection:
        self._check_process()
        with self._lock:
            self._check_open()
            if self._connection is not None:
                return self._connection
        # Nobody else waits for this: calls on other threads have limits of their own, and one may close.
        try:
            reach.check_reachable(self._path, deadline.at_most(self._dial_timeout_s))
        except errors.Unavailable as error:
            if deadline.at_most(self._dial_timeout_s) <= _TICK_S:
                raise failures.timed_out(method, deadline) from error
            raise
        from kukeon_sdk import connection  # brings gRPC, which takes longer to import than a call takes

        with self._lock:
            self._check_open()
            if self._connection is None:
                self._connection = connection.Connection(self._path, self._dial_timeout_s)
            return self._connection

    def _check_open(self) -> None:
        if self._closed:
            raise errors.Conflict("cannot call kukeond: this client is closed")

    def _check_process(self) -> None:
        """Leave to the parent what is the parent's: a connection has threads, and a fork takes none along."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._lock = threading.Lock()  # another thread may have held it while the process was forked
            self._connection = None

    def forget(self, connection: Connection) -> None:
        """Connect anew next time. Calls that other threads have on `connection` end by themselves."""
        with self._lock:
            if self._connection is connection:
                self._connection = None


class _Items:
    """The items of a stream, from a connection that is forgotten when it breaks."""

    def __init__(self, client: UnixClient, connection: Connection, items: Items) -> None:
        self._client = client
        self._connection = connection
        self._items = items
        self.cancel = items.cancel

    def receive(self) -> Iterable[Any] | None:
        try:
            return self._items.receive()
        except errors.Unavailable:
            self._client.forget(self._connection)
            raise
