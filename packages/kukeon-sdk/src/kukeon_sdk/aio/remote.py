"""AsyncUnixClient: the asynchronous client over a unix socket, connected when it is first used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_sdk import address, failures, reach
from kukeon_sdk.aio.client import AsyncClient
from kukeon_sdk.client import DIAL_TIMEOUT_S
from kukeon_sdk.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_api.methods import Method
    from kukeon_sdk.aio.connection import AsyncConnection
    from kukeon_sdk.aio.streaming import Items


class AsyncUnixClient(AsyncClient):
    """An `AsyncClient` of the kukeond that listens at the socket `path`.

    One connection serves all calls; it belongs to the event loop of the first one, and calls from another loop raise
    `Conflict`. It is made by the first call and made again when kukeond was restarted. `dial_timeout` is how many
    seconds connecting may take.
    """

    def __init__(self, path: str, dial_timeout: float = DIAL_TIMEOUT_S) -> None:
        self._path = address.check_socket_path(path)
        self._dial_timeout_s = dial_timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reaching: asyncio.Task[None] | None = None
        self._connection: AsyncConnection | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"AsyncUnixClient({self._path!r})"

    async def perform(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        """Do the method `name` of the daemon. Cancelled or out of time, it ends the waiting, not the work."""
        from kukeon_api import methods

        method = methods.BY_PYTHON[name]
        deadline = Deadline(timeout)
        connection = self._connection or await self._connected(method, deadline)
        self._check_loop()
        try:
            if method.stream == "server":
                return _Items(self, connection, await connection.stream(method, arguments, deadline))
            if method.stream:
                from kukeon_sdk.aio import sessions

                return await sessions.SESSIONS[method.name].over(await connection.link(method, arguments, deadline))
            if method.upload:
                return await connection.upload(method, arguments, deadline)
            if method.paged:
                return await connection.list(method, arguments, deadline)
            return await connection.call(method, arguments, deadline)
        except errors.Unavailable:
            self.forget(connection)
            raise

    def forget(self, connection: AsyncConnection) -> None:
        """Connect anew next time. Calls that other tasks have on `connection` end by themselves."""
        if self._connection is connection:
            self._connection = None

    async def close(self) -> None:
        """Hang up; calls that are running in other tasks raise `Conflict`. Twice is fine."""
        self._closed = True
        connection, self._connection = self._connection, None
        # In another loop there is nothing to close them with: they end with the loop that they belong to.
        if self._loop is not asyncio.get_running_loop():
            return
        if self._reaching is not None:
            self._reaching.cancel()
        if connection is not None:
            await connection.close()

    async def _connected(self, method: Method, deadline: Deadline) -> AsyncConnection:
        self._check_open()
        self._check_loop()
        if self._reaching is None:
            # Once for all tasks that begin now; each waits as long as it may.
            work = asyncio.to_thread(reach.check_reachable, self._path, self._dial_timeout_s)
            self._reaching = asyncio.create_task(work, name="reaching kukeond")
            self._reaching.add_done_callback(self._reached)
        reaching = self._reaching
        if not (await asyncio.wait({reaching}, timeout=deadline.left_s()))[0]:
            raise failures.timed_out(method, deadline)
        self._check_open()
        reaching.result()
        if self._connection is None:
            from kukeon_sdk.aio import connection  # brings gRPC

            self._connection = connection.AsyncConnection(self._path, self._dial_timeout_s)
        return self._connection

    def _reached(self, reaching: asyncio.Task[None]) -> None:
        self._reaching = None
        if not reaching.cancelled():
            reaching.exception()  # whoever still waits gets it

    def _check_open(self) -> None:
        if self._closed:
            raise errors.Conflict("cannot call kukeond: this client is closed")

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise errors.Conflict(
                "cannot use this client here: it belongs to another event loop", hint="dial once in each loop"
            )


class _Items:
    """The items of a stream, from a connection that is forgotten when it breaks."""

    def __init__(self, client: AsyncUnixClient, connection: AsyncConnection, items: Items) -> None:
        self._client = client
        self._connection = connection
        self._items = items
        self.cancel = items.cancel

    async def receive(self) -> Iterable[Any] | None:
        try:
            return await self._items.receive()
        except errors.Unavailable:
            self._client.forget(self._connection)
            raise
