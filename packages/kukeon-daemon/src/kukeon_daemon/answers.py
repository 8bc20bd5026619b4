"""How a call is answered: with its reply, or with a status that says what went wrong. The one place that makes those.

No client ever sees UNKNOWN: what nobody foresaw is INTERNAL, and has an id under which its traceback is in the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from kukeon_api import calls, errors, status
from kukeon_daemon import calllog

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from kukeon_api.methods import Method


class Answers:
    """Answers calls of `method`."""

    def __init__(self, method: Method) -> None:
        self._method = method

    async def give(self, work: Coroutine[Any, Any, Any], context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        """Return the reply that `work` returns, as it travels, or end the call with a status."""

        async def packed() -> bytes:
            return self._packed(await work)

        reply: bytes = await self.guard(packed(), context)
        return reply

    async def guard(self, work: Coroutine[Any, Any, Any], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        """Return what `work` returns; what it raises ends the call with a status."""
        try:
            return await work
        except errors.KukeonError as error:
            refusal = error
        except Exception as error:
            refusal = _foreseen(error) or calllog.internal_error(self._method, error)
        code, message, detail = status.to_status(refusal)
        if code == errors.KukeonError.code:  # an error of no branch: still a failure of ours, not of gRPC's
            code = errors.HostError.code
        # Raises, which is how gRPC ends a call.
        return await context.abort(grpc.StatusCode[code], message, ((status.TRAILER, detail),))

    def _packed(self, reply: Any) -> bytes:
        size = reply.ByteSize()
        if size > calls.MAX_MESSAGE_BYTES:
            raise errors.HostError(
                f"cannot answer {self._method.name}: {size} bytes are more than the limit of {calls.MAX_MESSAGE_BYTES}",
                hint="ask for less at once",
            )
        packed: bytes = reply.SerializeToString()
        return packed


def _foreseen(error: BaseException) -> errors.KukeonError | None:
    """Return the first error of ours in a group, if all that is in it is ours."""
    if not isinstance(error, BaseExceptionGroup):
        return None
    ours, others = error.split(errors.KukeonError)
    if others is not None:
        return None
    first: object = ours
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first if isinstance(first, errors.KukeonError) else None
