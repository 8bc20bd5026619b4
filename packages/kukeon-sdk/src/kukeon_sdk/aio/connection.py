"""One gRPC connection to kukeond for asyncio; loaded with the first call."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc.aio

from kukeon_api import calls, errors, parts
from kukeon_sdk import reach, requests
from kukeon_sdk.aio import streaming
from kukeon_sdk.aio.upload import upload
from kukeon_sdk.connection import Connection
from kukeon_sdk.failures import Failure, Failures, timed_out

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from google.protobuf.message import Message

    from kukeon_api.methods import Method
    from kukeon_sdk.deadline import Deadline


class AsyncConnection:
    """Calls of methods on the kukeond at `path`, from tasks of one event loop."""

    def __init__(self, path: str, dial_timeout_s: float) -> None:
        self._path = path
        self._dial_timeout_s = dial_timeout_s
        self._failures = Failures(path, dial_timeout_s)
        self._closed = False
        self._channel = grpc.aio.insecure_channel(requests.target(path), requests.options(dial_timeout_s))
        self._stubs: dict[str, Any] = {}
        self._uploads: set[Connection] = set()

    async def close(self) -> None:
        """Hang up."""
        self._closed = True
        for uploads in self._uploads:
            uploads.close()
        await self._channel.close(None)

    async def call(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> Any:
        """Return the result of a unary method."""
        return calls.unpack_reply(method, await self._unary(method, calls.pack_args(method, arguments), deadline))

    async def list(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> tuple[Any, ...]:
        """Return all items of a paged list."""
        pages = requests.Pages(method, arguments)
        while pages.request is not None:
            pages.take(await self._unary(method, pages.request, deadline))
        return pages.items

    async def upload(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> Any:
        """Return the result of a method that takes a stream; cancelled before its end it is given up.

        It has a connection of its own, of the other kind: with grpc.aio what kukeond answers before the end of an
        upload gets lost (grpc/grpc issue 36066).
        """
        uploads = Connection(self._path, self._dial_timeout_s)
        try:
            self._uploads.add(uploads)
            return await upload(uploads, method, arguments, deadline)
        finally:
            self._uploads.discard(uploads)
            uploads.close()

    async def stream(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> streaming.Items:
        """Begin a call whose items come one by one."""
        message = requests.checked(method, calls.pack_args(method, arguments))
        stub = self._channel.unary_stream(
            method.path, calls.args_class(method).SerializeToString, calls.reply_class(method).FromString
        )
        return streaming.Items(method, self._replies(method, lambda left_s: stub(message, timeout=left_s), deadline))

    async def link(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> streaming.GrpcLink:
        """Begin a call that goes on both ways."""
        first = requests.checked(method, parts.pack_start(method, arguments))
        stub: Any = self._channel.stream_stream(
            method.path, calls.args_class(method).SerializeToString, calls.reply_class(method).FromString
        )
        return streaming.GrpcLink(method, first, self._replies(method, lambda left_s: stub(timeout=left_s), deadline))

    def _replies(self, method: Method, start: Callable[[float | None], Any], deadline: Deadline) -> streaming.Replies:
        left_s, started = deadline.left_s(), time.monotonic()
        if left_s == 0:
            raise timed_out(method, deadline)
        if self._closed:
            raise self._failures.closed(method)

        async def meaning(error: BaseException) -> errors.KukeonError | None:
            if isinstance(error, grpc.aio.AioRpcError):
                failure = Failure.of(error.code(), error.details(), error.trailing_metadata())
                return await self._error(method, failure, deadline, time.monotonic() - started)
            task = asyncio.current_task()
            if task and task.cancelling():
                return None
            return self._failures.closed(method) if self._closed else None

        return streaming.Replies(start(left_s), meaning)

    async def _unary(self, method: Method, message: Message, deadline: Deadline) -> Any:
        message = requests.checked(method, message)
        stub = self._stubs.get(method.name)
        if stub is None:
            stub = self._stubs[method.name] = self._channel.unary_unary(
                method.path, calls.args_class(method).SerializeToString, calls.reply_class(method).FromString
            )
        return await self._wait(method, lambda timeout_s: stub(message, timeout=timeout_s), deadline)

    async def _wait(self, method: Method, start: Callable[[float | None], Awaitable[Any]], deadline: Deadline) -> Any:
        left_s = deadline.left_s()
        if left_s == 0:  # gRPC would let a fast call through
            raise timed_out(method, deadline)
        if self._closed:
            raise self._failures.closed(method)
        started = time.monotonic()
        try:
            return await start(left_s)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self._closed and not (task and task.cancelling()):  # it is the call that was cancelled, not its caller
                raise self._failures.closed(method) from error
            raise
        except grpc.aio.AioRpcError as error:
            failure = Failure.of(error.code(), error.details(), error.trailing_metadata())
            raise await self._error(method, failure, deadline, time.monotonic() - started) from error

    async def _error(self, method: Method, failure: Failure, deadline: Deadline, waited_s: float) -> errors.KukeonError:
        if self._closed and failure.trailer is None:
            return self._failures.closed(method)
        if not failure.never_connected:
            return self._failures.translated(method, failure, deadline)
        try:
            await asyncio.to_thread(reach.check_reachable, self._path, self._dial_timeout_s)
        except errors.KukeonError as error:
            return error
        return self._failures.unanswered(failure, waited_s)
