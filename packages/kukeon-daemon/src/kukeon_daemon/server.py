"""The server's life: bind where only the right people reach it, serve, drain, go away without a trace."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import grpc

from kukeon_api import calls, errors
from kukeon_daemon import tasks
from kukeon_daemon.service import Service

if TYPE_CHECKING:
    from kukeon_daemon.listening import SocketFile

log = logging.getLogger(__name__)

OPTIONS = (
    ("grpc.max_send_message_length", calls.MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", calls.MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
)
# How long handlers may take to tell their clients that the daemon stops, after the work was cancelled.
ANSWER_S = 1.0


class Server:
    """Serves a controller at a socket, from `start` to `stop`."""

    def __init__(self, controller: object, socket: SocketFile) -> None:
        self.tasks = tasks.Tasks()
        self._socket = socket
        self._grpc = grpc.aio.server(options=OPTIONS)
        self._service = Service(controller, self.tasks)
        self._grpc.add_generic_rpc_handlers((self._service.handler(),))

    async def start(self) -> None:
        """Listen. Raises `HostError` when the socket can't be bound or put in place."""
        self._socket.place(self._bind)
        await self._grpc.start()

    def _bind(self, path: str) -> None:
        try:
            self._grpc.add_insecure_port(f"unix:{path}")
        except RuntimeError as error:
            raise errors.HostError(f"cannot bind a socket at {path!r}: {error}") from error

    async def stop(self, grace_s: float) -> None:
        """Accept nothing more, let running work finish for `grace_s` seconds, then cancel it and wait for its undo."""
        self._socket.remove()
        if self.tasks:
            log.info("waiting up to %g s for %d running calls", grace_s, len(self.tasks))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._grpc.stop(grace_s + tasks.UNDO_S + ANSWER_S))
            group.create_task(self.tasks.drain(grace_s))
            group.create_task(self._service.hang_up())
        await self._service.close()
