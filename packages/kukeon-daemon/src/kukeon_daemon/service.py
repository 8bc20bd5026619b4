"""The gRPC service: one adapter between the wire and the controller's methods, driven by the table of methods.

Nothing is decided here. Whatever changes something runs as the daemon's own work: a client that hangs up in the middle
stops waiting, and the change is carried through. Reading ends with its caller. Messages are read and written here and
not by gRPC, which has no better word than UNKNOWN for one that cannot be.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from kukeon_api import calls, errors, methods
from kukeon_daemon import calllog, pages
from kukeon_daemon.answers import Answers
from kukeon_daemon.remembered import Remembered
from kukeon_daemon.streams import Streams, not_yet
from kukeon_daemon.upload import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kukeon_api.methods import Method
    from kukeon_daemon.tasks import Tasks

# A list of this many items takes tens of milliseconds to encode: too long to keep all other calls waiting.
LONG_LIST = 200


class Service:
    """Serves `controller`, any object with the methods of the table as coroutines."""

    def __init__(self, controller: object, tasks: Tasks) -> None:
        self._controller = controller
        self._tasks = tasks
        self._streams = Streams(controller)
        self._pinged = Remembered(lambda: getattr(controller, "ping")())  # noqa: B009 - any object will do

    async def hang_up(self) -> None:
        """End the calls that go on until somebody hangs up."""
        await self._streams.close()

    async def close(self) -> None:
        """End what goes on without a call."""
        await self._pinged.close()

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """Return what to add to a grpc.aio server."""
        handlers = {method.name: self._method_handler(method) for method in methods.METHODS.values()}
        return grpc.method_handlers_generic_handler(f"{methods.PACKAGE}.{methods.SERVICE}", handlers)

    def _method_handler(self, method: Method) -> Any:
        if method.stream:
            return self._streams.handler(method)
        answers = Answers(method)
        if method.upload:

            async def upload(stream: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
                return await answers.give(self._upload(method, stream), context)

            return grpc.stream_unary_rpc_method_handler(upload)

        async def unary(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            return await answers.give(self._unary(method, request), context)

        return grpc.unary_unary_rpc_method_handler(unary)

    async def _unary(self, method: Method, request: bytes) -> Any:
        message = _parsed(method, request)
        try:
            arguments = calls.unpack_args(method, message)
            if method.writes:
                return calls.pack_reply(method, await self._owned(method, arguments))
            result = await self._do(method, arguments)
        except errors.Invalid as error:
            if method.error_in_reply:
                return calls.pack_error(method, error)
            raise
        if not method.paged:
            return calls.pack_reply(method, result)
        if len(result) > LONG_LIST:
            return await asyncio.to_thread(pages.reply, method, result, message.page_token)
        return pages.reply(method, result, message.page_token)

    async def _upload(self, method: Method, stream: AsyncIterator[bytes]) -> Any:
        messages = (_parsed(method, request) async for request in stream)
        first = await anext(messages, None)
        if first is None:
            raise errors.Invalid(f"cannot do {method.name}: the stream has no message")
        arguments = calls.unpack_args(method, first)
        upload = Upload()
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(upload.feed(messages))
            try:
                result = await self._owned(method, {**arguments, method.upload: upload.pieces()})
            except errors.KukeonError as error:
                result = error  # raised below: out of a group it would come in a group
            feeding.cancel()
        if isinstance(result, errors.KukeonError):
            raise result
        return calls.pack_reply(method, result)

    async def _owned(self, method: Method, arguments: dict[str, Any]) -> Any:
        name = f"{method.python} {calllog.target(arguments)}".rstrip()
        return await self._tasks.run(self._do(method, arguments), name)

    async def _do(self, method: Method, arguments: dict[str, Any]) -> Any:
        with calllog.accounted(method, arguments) as account:
            if method.name == "Ping":
                return await self._pinged.get()
            does = getattr(self._controller, method.python, None)
            if does is None:
                raise not_yet(method)
            # By position: what a parameter is called is the controller's own business.
            result = await does(*(arguments[name] for name, _ in method.params))
            account.update(calllog.summary(result))
            return result


def _parsed(method: Method, request: bytes) -> Any:
    try:
        return calls.args_class(method).FromString(request)
    except DecodeError as error:
        raise errors.InvalidRequest(
            f"cannot do {method.name}: the request is not what its name says: {error}",
            hint="client and daemon may have different versions: `kuke version` shows them",
        ) from error
