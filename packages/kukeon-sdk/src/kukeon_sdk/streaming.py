"""Streams over gRPC for callers that wait; loaded with the first one."""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING, Any

import grpc

from kukeon_api import calls, errors, parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kukeon_api.methods import Method
    from kukeon_api.parts import Part


class Replies:
    """The replies of a call that has begun, and what its end means."""

    def __init__(self, call: Any, error: Callable[[BaseException], errors.KukeonError]) -> None:
        self.call = call
        self._error = error

    def next(self) -> Any:
        """Wait for the next reply; None at the end. Raises what the call ended with."""
        try:
            return next(self.call)
        except StopIteration:
            return None
        except grpc.RpcError as error:
            raise self._error(error) from error


class Items:
    """A `streams.Source` over a call whose replies are lists."""

    def __init__(self, method: Method, replies: Replies) -> None:
        self._method = method
        self._replies = replies
        self._cancelled = False

    def receive(self) -> Iterable[Any] | None:
        """Wait for the next items; None at the end, also after `cancel`. Raises what the call ended with."""
        try:
            reply = None if self._cancelled else self._replies.next()
        except errors.KukeonError:
            if self._cancelled:
                return None
            raise
        return None if reply is None else calls.unpack_reply(self._method, reply)

    def cancel(self) -> None:
        """Hang up."""
        self._cancelled = True
        self._replies.call.cancel()


class Outbox:
    """The requests of a call, which gRPC takes on a thread of its own."""

    def __init__(self, first: Any) -> None:
        self._messages = collections.deque([first])
        self._changed = threading.Condition()
        self._closed = False

    def put(self, message: Any) -> None:
        """Have a message sent after those before it; once closed it goes nowhere."""
        with self._changed:
            if not self._closed:
                self._messages.append(message)
                self._changed.notify()

    def close(self) -> None:
        """Have nothing sent any more."""
        with self._changed:
            self._closed = True
            self._messages.clear()
            self._changed.notify()

    def __iter__(self) -> Outbox:
        return self

    def __next__(self) -> Any:
        """Wait for a message; the end comes when it was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._messages or self._closed)
            if self._closed:
                raise StopIteration
            return self._messages.popleft()


class GrpcLink:
    """A `sessions.Link` over a call."""

    def __init__(self, method: Method, outbox: Outbox, replies: Replies) -> None:
        self._method = method
        self._outbox = outbox
        self._replies = replies
        replies.call.add_done_callback(lambda _: outbox.close())

    def send(self, name: str, value: Any) -> None:
        """Have a part sent, without waiting; after the end it goes nowhere."""
        self._outbox.put(parts.pack_asked(self._method, name, value))

    def receive(self) -> Part | None:
        """Wait for the next part; None at the end. Raises the error that the call ended with."""
        while (reply := self._replies.next()) is not None:
            part = parts.unpack_told(self._method, reply)
            if part is not None:
                return part
        return None

    def cancel(self) -> None:
        """Hang up."""
        self._replies.call.cancel()
