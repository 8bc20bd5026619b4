"""Calls that go on: replies as they come and, for some methods, requests meanwhile.

They belong to their client, unlike other work: when it hangs up, or the daemon stops, the controller's generator is
closed and ends what it has begun. Nothing is read or made ahead of a client that does not keep up.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc

from kukeon_api import calls, errors, model, parts
from kukeon_daemon import calllog
from kukeon_daemon.answers import Answers
from kukeon_daemon.tasks import UNDO_S

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Coroutine

    from kukeon_api.methods import Method
    from kukeon_api.parts import Part

Context = grpc.aio.ServicerContext[Any, Any]


class Streams:
    """Serves the methods of `controller` that stream; these are asynchronous generators.

    Those of `listed` methods yield items, or tuples of items that may travel together; the others get the parts that
    the client sends, as their last argument, and yield parts.
    """

    def __init__(self, controller: object) -> None:
        self._controller = controller
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    def handler(self, method: Method) -> Any:
        """Return what gRPC needs to serve `method`."""
        answers = Answers(method)
        if method.stream == "server":

            async def listed(request: bytes, context: Context) -> None:
                await answers.guard(self._owned(method, self._listed(method, request, context)), context)

            return grpc.unary_stream_rpc_method_handler(listed)

        async def both(requests: AsyncIterator[bytes], context: Context) -> None:
            await answers.guard(self._owned(method, self._both(method, requests, context)), context)

        return grpc.stream_stream_rpc_method_handler(both)

    async def close(self) -> None:
        """End all of them; their clients are told that the daemon stops."""
        self._closed = True
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(set(self._running), timeout=UNDO_S)

    async def _owned(self, method: Method, work: Coroutine[Any, Any, None]) -> None:
        """Wait for `work`, which is cancelled with the call.

        It has a task of its own: gRPC cancels a call that is gone more than once, and with that would cut off what the
        work does at its end.
        """
        if self._closed:
            work.close()
            raise _stopping(method)
        task = asyncio.create_task(work, name=f"stream {method.python}")
        self._running.add(task)
        task.add_done_callback(self._finished)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if self._closed and task.cancelled():  # by us, and then the client shall know
                raise _stopping(method) from None
            task.cancel()
            raise

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen, or asyncio complains when the caller has gone

    async def _listed(self, method: Method, request: bytes, context: Context) -> None:
        arguments = calls.unpack_args(method, calls.parse_args(method, request))
        with calllog.accounted(method, arguments):
            generator = self._generator(method, arguments)
            async with contextlib.aclosing(generator):
                async for found in generator:
                    items = found if isinstance(found, tuple) else (found,)
                    await _tell(context, calls.pack_reply(method, items).SerializeToString())

    async def _both(self, method: Method, requests: AsyncIterator[bytes], context: Context) -> None:
        messages = (calls.parse_args(method, request) async for request in requests)
        first = await anext(messages, None)
        if first is None:
            raise errors.InvalidRequest(f"cannot do {method.name}: the stream has no message")
        arguments = parts.unpack_start(method, first)
        with calllog.accounted(method, arguments) as account:
            asked = (parts.unpack_asked(method, message) async for message in messages)
            generator: AsyncGenerator[Part, None] = self._generator(method, arguments, asked)
            async with contextlib.aclosing(generator):
                async for name, value in generator:
                    await _tell(context, parts.pack_told(method, name, value).SerializeToString())
                    if isinstance(value, model.ExitStatus):
                        account["code"] = value.code

    def _generator(self, method: Method, arguments: dict[str, Any], *more: Any) -> Any:
        make = getattr(self._controller, method.python, None)
        if make is None:
            raise not_yet(method)
        return make(*(arguments[name] for name, _ in method.params), *more)


async def _tell(context: Context, message: bytes) -> None:
    """Send one reply. Raises CancelledError when the client is gone."""
    try:
        await context.write(message)
    except grpc.aio.InternalError as error:
        # What a write gets that was under way when the client hung up; the call's cancellation comes a moment later.
        raise asyncio.CancelledError from error


def not_yet(method: Method) -> errors.NotSupportedYet:
    """Return what to tell who asks for a method that the controller does not have."""
    return errors.NotSupportedYet(f"cannot do {method.name}: this kukeond is not able to")


def _stopping(method: Method) -> errors.Unavailable:
    return errors.Unavailable(
        f"cannot go on with {method.name}: kukeond is stopping", hint="run the command again when kukeond is back"
    )
