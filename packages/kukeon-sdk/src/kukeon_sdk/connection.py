"""One gRPC connection to kukeond for callers that wait; loaded with the first call."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import TYPE_CHECKING, Any

import grpc

from kukeon_api import calls, errors, parts
from kukeon_sdk import chunks, reach, requests, streaming
from kukeon_sdk.failures import Failure, Failures, timed_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from google.protobuf.message import Message

    from kukeon_api.methods import Method
    from kukeon_sdk.deadline import Deadline


class Connection:
    """Calls of methods on the kukeond at `path`."""

    def __init__(self, path: str, dial_timeout_s: float) -> None:
        self._path = path
        self._dial_timeout_s = dial_timeout_s
        self._failures = Failures(path, dial_timeout_s)
        self._closed = False
        self._channel = grpc.insecure_channel(requests.target(path), requests.options(dial_timeout_s))
        self._stubs: dict[str, Any] = {}

    def close(self) -> None:
        """Hang up."""
        self._closed = True
        self._channel.close()

    def call(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> Any:
        """Return the result of a unary method."""
        return calls.unpack_reply(method, self._unary(method, calls.pack_args(method, arguments), deadline))

    def list(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> tuple[Any, ...]:
        """Return all items of a paged list."""
        pages = requests.Pages(method, arguments)
        while pages.request is not None:
            pages.take(self._unary(method, pages.request, deadline))
        return pages.items

    def upload(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> Any:
        """Return the result of a method that takes a stream; an interrupt before its end aborts it."""
        return self.begin_upload(method, arguments, deadline).result()

    def begin_upload(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> Upload:
        """Start sending, on a thread of gRPC's own."""
        feed = _Feed(method, arguments)
        stub = self._channel.stream_unary(
            method.path, calls.args_class(method).SerializeToString, calls.reply_class(method).FromString
        )
        started = self._begin(method, lambda timeout_s: feed.attach(stub.future(iter(feed), timeout_s)), deadline)
        return Upload(method, feed, started, self._result)

    def stream(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> streaming.Items:
        """Begin a call whose items come one by one."""
        message = requests.checked(method, calls.pack_args(method, arguments))
        stub = self._channel.unary_stream(
            method.path, calls.args_class(method).SerializeToString, calls.reply_class(method).FromString
        )
        return streaming.Items(method, self._replies(method, lambda timeout_s: stub(message, timeout_s), deadline))

    def link(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> streaming.GrpcLink:
        """Begin a call that goes on both ways."""
        outbox = streaming.Outbox(requests.checked(method, parts.pack_start(method, arguments)))
        stub = self._channel.stream_stream(
            method.path, calls.args_class(method).SerializeToString, calls.reply_class(method).FromString
        )
        replies = self._replies(method, lambda timeout_s: stub(outbox, timeout_s), deadline)
        return streaming.GrpcLink(method, outbox, replies)

    def _replies(self, method: Method, start: Callable[[float | None], Any], deadline: Deadline) -> streaming.Replies:
        started = self._begin(method, start, deadline)

        def meaning(error: BaseException) -> errors.KukeonError:
            failed: Any = error
            failure = Failure.of(failed.code(), failed.details(), failed.trailing_metadata())
            return self._error(method, failure, deadline, time.monotonic() - started.at)

        return streaming.Replies(started.call, meaning)

    def _unary(self, method: Method, message: Message, deadline: Deadline) -> Any:
        message = requests.checked(method, message)
        stub = self._stubs.get(method.name)
        if stub is None:
            stub = self._stubs[method.name] = self._channel.unary_unary(
                method.path, calls.args_class(method).SerializeToString, calls.reply_class(method).FromString
            )
        return self._result(self._begin(method, lambda timeout_s: stub.future(message, timeout_s), deadline))

    def _begin(self, method: Method, start: Callable[[float | None], Any], deadline: Deadline) -> Started:
        left_s = deadline.left_s()
        if left_s == 0:  # gRPC would let a fast call through
            raise timed_out(method, deadline)
        started = time.monotonic()
        try:
            return Started(method, start(left_s), deadline, started)
        except ValueError as error:  # the channel was closed by another thread
            raise self._failures.closed(method) from error

    def _result(self, started: Started) -> Any:
        """Wait for the reply of a call. As a future, because a blocking call notices Ctrl-C late."""
        method, call = started.method, started.call
        try:
            return call.result()
        except grpc.FutureCancelledError as error:  # by us, or by a daemon that stopped
            raise (self._failures.closed(method) if self._closed else self._failures.lost(method)) from error
        except grpc.RpcError as error:
            failed: Any = error
            failure = Failure.of(failed.code(), failed.details(), failed.trailing_metadata())
            raise self._error(method, failure, started.deadline, time.monotonic() - started.at) from error
        except BaseException:
            call.cancel()  # Ctrl-C
            raise

    def _error(self, method: Method, failure: Failure, deadline: Deadline, waited_s: float) -> errors.KukeonError:
        if self._closed and failure.trailer is None:
            return self._failures.closed(method)
        if not failure.never_connected:
            return self._failures.translated(method, failure, deadline)
        try:
            reach.check_reachable(self._path, self._dial_timeout_s)
        except errors.KukeonError as error:
            return error
        return self._failures.unanswered(failure, waited_s)


@dataclasses.dataclass(frozen=True)
class Started:
    """A call that has begun, at the moment `at` of the monotonic clock."""

    method: Method
    call: Any
    deadline: Deadline
    at: float


class Upload:
    """An upload that has begun."""

    def __init__(self, method: Method, feed: _Feed, started: Started, wait: Callable[[Started], Any]) -> None:
        self._method = method
        self._feed = feed
        self._started = started
        self._wait = wait

    def when_done(self, tell: Callable[[], object]) -> None:
        """Call `tell` on some thread when `result` will not wait any more."""
        self._started.call.add_done_callback(lambda _: tell())

    def cancel(self) -> None:
        """Give it up."""
        self._started.call.cancel()

    def result(self) -> Any:
        """Wait for the result. What reading the data raised is raised."""
        try:
            reply = self._wait(self._started)
        except errors.KukeonError:
            if self._feed.error is not None:
                raise self._feed.error from None
            raise
        return calls.unpack_reply(self._method, reply)


class _Feed:
    """The messages of an upload. gRPC pulls them on a thread of its own and would hide what reading raises."""

    def __init__(self, method: Method, arguments: Mapping[str, Any]) -> None:
        self.error: BaseException | None = None
        self._method = method
        self._first = calls.first_chunk(method, arguments)
        self._pieces = chunks.pieces(arguments[method.upload])
        self._call: Any = None
        self._attached = threading.Event()

    def attach(self, call: Any) -> Any:
        """Remember which call is fed, and return it."""
        self._call = call
        self._attached.set()
        return call

    def __iter__(self) -> Iterator[Any]:
        yield self._first
        self._attached.wait()
        try:
            for piece in self._pieces:
                yield calls.chunk(self._method, piece)
            # A message without data is the end: the stream's own end looks the same as a hang-up to the daemon.
            yield calls.chunk(self._method, b"")
        except Exception as error:  # reading failed: the caller gets it, and the daemon must not see a regular end
            self.error = error
            self._call.cancel()
