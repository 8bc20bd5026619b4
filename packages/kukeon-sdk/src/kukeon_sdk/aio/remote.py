"""AsyncUnixClient: the asynchronous client over a unix socket, connected when it is first used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_sdk import address, reach
from kukeon_sdk.aio.client import AsyncClient
from kukeon_sdk.client import DIAL_TIMEOUT_S
from kukeon_sdk.deadline import Deadline

if TYPE_CHECKING:
    from kukeon_sdk.aio.connection import AsyncConnection


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
        self._connecting = asyncio.Lock()
        self._connection: AsyncConnection | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"AsyncUnixClient({self._path!r})"

    async def perform(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        """Do the method `name` of the daemon. Cancelled or out of time, it ends the waiting, not the work."""
        from kukeon_api import methods

        method = methods.BY_PYTHON[name]
        deadline = Deadline(timeout)
        connection = self._connection or await self._connected(deadline)
        self._check_loop()
        try:
            if method.stream == "server":
                return await connection.stream(method, arguments, deadline)
            if method.stream:
                from kukeon_sdk.aio import sessions

                return await sessions.SESSIONS[method.name].over(await connection.link(method, arguments, deadline))
            if method.upload:
                return await connection.upload(method, arguments, deadline)
            if method.paged:
                return await connection.list(method, arguments, deadline)
            return await connection.call(method, arguments, deadline)
        except errors.Unavailable:
            if self._connection is connection:  # connect anew next time
                self._connection = None
            raise

    async def close(self) -> None:
        """Hang up; calls that are running in other tasks raise `Conflict`. Twice is fine."""
        self._closed = True
        connection, self._connection = self._connection, None
        # In another loop there is nothing to close it with: it ends with the loop that it belongs to.
        if connection is not None and self._loop is asyncio.get_running_loop():
            await connection.close()

    async def _connected(self, deadline: Deadline) -> AsyncConnection:
        if self._closed:
            raise errors.Conflict("cannot call kukeond: this client is closed")
        self._check_loop()
        async with self._connecting:
            if self._connection is None:
                limit_s = deadline.at_most(self._dial_timeout_s)
                await asyncio.to_thread(reach.check_reachable, self._path, limit_s)
                if self._closed:
                    raise errors.Conflict("cannot call kukeond: this client is closed")
                from kukeon_sdk.aio import connection  # brings gRPC

                self._connection = connection.AsyncConnection(self._path, self._dial_timeout_s)
            return self._connection

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise errors.Conflict(
                "cannot use this client here: it belongs to another event loop", hint="dial once in each loop"
            )
