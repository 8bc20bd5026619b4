"""One gRPC channel to containerd: deadlines, headers, and nothing that knows what a call means.

A `Rpc` is one method of containerd's API written down: its path and its two message classes.  Multicallables are made
from it by hand, so no generated stub (and none of containerd's full names) has to be in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from kukeon_api import errors as api_errors
from kukeon_runner.host.containerd import errors

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
"""Largest answer we take; gRPC's own default of 4 MiB is too small for lists of a big namespace."""

CALL_TIMEOUT_S = 60.0

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
    ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
    # Go's HTTP/2 server refuses an authority made from a socket path.
    ("grpc.default_authority", "localhost"),
    ("grpc.enable_http_proxy", 0),
    # A restarted containerd is found again within a second; the defaults grow to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Despite its name also the time that one attempt may take: a busy containerd needs more than the pause.
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Two clients in one process never share a connection, so closing one cannot disturb the other.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclasses.dataclass(frozen=True)
class Rpc(Generic[Q, R]):
    """One method of containerd: path on the wire, message classes, and the leaf errors of what it is about."""

    path: str
    request: type[Q]
    response: type[R]
    not_found: type[api_errors.NotFound] = api_errors.NotFound
    exists: type[api_errors.AlreadyExists] = api_errors.AlreadyExists


class Connection:
    """The channel to one containerd.  Made and used on one event loop; `close()` may be called twice."""

    def __init__(self, socket: str, check: Callable[[str], object] | None = None) -> None:
        """`check` is asked about the socket's path before each call, and raises what the call would fail of."""
        self.socket = socket
        self._check = check
        self._channel = grpc.aio.insecure_channel(f"unix://{socket}", options=CHANNEL_OPTIONS)
        self._calls: dict[str, Any] = {}
        self.closed = False
        self.holding: set[tuple[str, str]] = set()
        """Leases and unfinished writes that this process is at work with, each with its namespace before it.

        Others of ours were left by a process that died.
        """

    async def close(self) -> None:
        """Close the channel; calls under way and later ones end with ConnectContainerd."""
        self.closed = True
        await self._channel.close(None)

    def method(self, rpc: Rpc[Q, R], shape: str) -> Any:
        """Return the multicallable of `rpc`; `shape` is unary_unary, unary_stream or stream_stream."""
        if self._check is not None:
            self._check(self.socket)
        call = self._calls.get(rpc.path)
        if call is None:
            call = self._calls[rpc.path] = getattr(self._channel, shape)(
                rpc.path,
                request_serializer=rpc.request.SerializeToString,
                response_deserializer=rpc.response.FromString,
            )
        return call


@dataclasses.dataclass(frozen=True)
class Scope:
    """Where calls act: a connection, a namespace and, when leased, the lease that protects what they make."""

    connection: Connection
    namespace: str = ""
    lease: str = ""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata that containerd reads the namespace and the lease from."""
        pairs = (("containerd-namespace", self.namespace), ("containerd-lease", self.lease))
        return tuple(pair for pair in pairs if pair[1])

    async def unary(
        self, rpc: Rpc[Q, R], request: Q, doing: str, *, timeout_s: float | None = CALL_TIMEOUT_S, wait: bool = False
    ) -> R:
        """Return the answer to `request`, or raise as `errors.translated` says.

        `wait` lets the call wait for a containerd that is not there yet, up to the deadline.
        """
        with self.translated(rpc, doing):
            call = self.connection.method(rpc, "unary_unary")
            answer: R = await call(request, timeout=timeout_s, metadata=self.headers, wait_for_ready=wait)
            return answer

    async def stream(
        self, rpc: Rpc[Q, R], request: Q, doing: str, *, timeout_s: float | None = CALL_TIMEOUT_S
    ) -> AsyncGenerator[R, None]:
        """Yield the messages containerd answers with; leaving the loop early cancels the call."""
        with self.translated(rpc, doing):
            call = self.connection.method(rpc, "unary_stream")(request, timeout=timeout_s, metadata=self.headers)
            try:
                async for answer in call:
                    yield answer
            finally:
                call.cancel()

    @contextlib.contextmanager
    def translated(self, rpc: Rpc[Q, R], doing: str) -> Iterator[None]:
        """Turn failures of `rpc` into kukeon's errors; `doing` completes "cannot ..."."""
        socket = self.connection.socket
        try:
            with errors.translated(
                doing, namespace=self.namespace, socket=socket, not_found=rpc.not_found, exists=rpc.exists
            ):
                yield
        except asyncio.CancelledError as error:
            # Closing the channel cancels its calls, which looks as if the caller had been cancelled.
            task = asyncio.current_task()
            if not self.connection.closed or task is None or task.cancelling():
                raise
            raise errors.closed(doing, socket) from error
        except grpc.aio.UsageError as error:
            if not self.connection.closed:
                raise
            raise errors.closed(doing, socket) from error
