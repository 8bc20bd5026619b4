"""One gRPC connection to kukeond: the only module of the SDK that sees gRPC, loaded with the first call."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import grpc

from kukeon_api import calls, errors, status
from kukeon_sdk import chunks, reach

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.message import Message

    from kukeon_api.methods import Method
    from kukeon_sdk.remote import Deadline

# A list that pages for ever is a daemon gone wrong; ten thousand pages of 32 MiB are no list anybody asked for.
MAX_PAGES = 10_000


class Connection:
    """Calls of methods on the kukeond at `path`, and what their failures mean."""

    def __init__(self, path: str, dial_timeout_s: float) -> None:
        self._path = path
        self._dial_timeout_s = dial_timeout_s
        self._closed = False
        self._answered = False
        dial_timeout_ms = max(1, int(dial_timeout_s * 1000))
        options = (
            ("grpc.max_send_message_length", calls.MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", calls.MAX_MESSAGE_BYTES),
            # How long an attempt to connect may take is bounded by this, connection-backoff.md in grpc/grpc.
            ("grpc.min_reconnect_backoff_ms", dial_timeout_ms),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", max(100, dial_timeout_ms)),
            # Otherwise a new client would share the failures and the back-off of earlier ones in this process.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.service_config_disable_resolution", 1),
            ("grpc.enable_retries", 0),
        )
        self._channel = grpc.insecure_channel(f"unix:{quote(path)}", options)

    def close(self) -> None:
        """Hang up."""
        self._closed = True
        self._channel.close()

    def call(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> Any:
        """Return the result of a unary method."""
        return calls.unpack_reply(method, self._unary(method, calls.pack_args(method, arguments), deadline))

    def list(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> tuple[Any, ...]:
        """Return all items of a paged list."""
        items: list[Any] = []
        token = ""
        for _ in range(MAX_PAGES):
            reply = self._unary(method, calls.pack_args(method, arguments, token), deadline)
            items += calls.unpack_reply(method, reply)
            token = calls.next_page_token(reply)
            if not token:
                return tuple(items)
        raise errors.HostError(f"cannot list with {method.name}: kukeond sent {MAX_PAGES} pages and no end")

    def upload(self, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> Any:
        """Return the result of a method that takes a stream; an interrupt before its end aborts it."""
        feed = _Feed(method, arguments)
        stub = self._channel.stream_unary(
            method.path, calls.args_class(method).SerializeToString, calls.reply_class(method).FromString
        )
        try:
            reply = self._wait(method, lambda timeout_s: feed.attach(stub.future(iter(feed), timeout_s)), deadline)
        except errors.KukeonError:
            if feed.error is not None:
                raise feed.error from None
            raise
        return calls.unpack_reply(method, reply)

    def _unary(self, method: Method, message: Message, deadline: Deadline) -> Any:
        size = message.ByteSize()
        if size > calls.MAX_MESSAGE_BYTES:
            raise errors.Invalid(
                f"cannot send {method.name}: {size} bytes are more than the limit of {calls.MAX_MESSAGE_BYTES}",
                hint="split it up",
            )
        stub = self._channel.unary_unary(
            method.path, calls.args_class(method).SerializeToString, calls.reply_class(method).FromString
        )
        return self._wait(method, lambda timeout_s: stub.future(message, timeout_s), deadline)

    def _wait(self, method: Method, start: Any, deadline: Deadline) -> Any:
        """Start a call and wait for its reply. As a future, because a blocking call notices Ctrl-C late."""
        left_s = deadline.left_s()
        if left_s == 0:  # gRPC would let a fast call through
            raise self._timed_out(method, deadline)
        try:
            call = start(left_s)
        except ValueError as error:  # the channel was closed by another thread
            raise self._closed_error(method) from error
        try:
            reply = call.result()
        except grpc.FutureCancelledError as error:  # by us, or by a daemon that stopped
            raise (self._closed_error(method) if self._closed else self._unavailable(method, "cancelled")) from error
        except grpc.RpcError as error:
            raise self._translated(method, error, deadline) from error
        except BaseException:
            call.cancel()  # Ctrl-C
            raise
        self._answered = True
        return reply

    def _translated(self, method: Method, error: Any, deadline: Deadline) -> errors.KukeonError:
        """Return what a failed call means: kukeond's own error where it sent one, else gRPC's in our words."""
        code, details = error.code().name, error.details() or ""
        trailers = {key: value for key, value in error.trailing_metadata() or ()}
        detail = trailers.get(status.TRAILER)
        if detail is not None:
            self._answered = True
            return status.from_status(code, details, detail)
        if self._closed:
            return self._closed_error(method)
        match code:
            case "DEADLINE_EXCEEDED":
                return self._timed_out(method, deadline)
            case "UNAVAILABLE":
                return self._unavailable(method, details)
            case "UNIMPLEMENTED":
                return errors.Unsupported(
                    f"cannot do {method.name}: the kukeond at {self._path!r} does not know it",
                    hint="client and daemon have different versions: `kuke version` shows them",
                )
            case "RESOURCE_EXHAUSTED":
                return errors.HostError(f"cannot do {method.name}: too large for one message: {details}")
        return status.from_status(code, f"cannot do {method.name}: {details or code}", None)

    def _unavailable(self, method: Method, details: str) -> errors.KukeonError:
        try:
            reach.check_reachable(self._path, self._dial_timeout_s)
        except errors.KukeonError as error:
            if not self._answered:
                return error
        if self._answered:
            return errors.Unavailable(
                f"cannot finish {method.name}: the connection to kukeond at {self._path!r} was lost",
                hint="kukeond has stopped or was restarted; look at the outcome with `kuke get` and try again",
            )
        return errors.Unavailable(
            f"cannot reach kukeond at {self._path!r}: what listens there does not answer as kukeond ({details})",
            hint="kukeond hangs or something else has the socket; `kuke daemon logs` tells more",
        )

    def _timed_out(self, method: Method, deadline: Deadline) -> errors.TimedOut:
        return errors.TimedOut(
            f"cannot wait for {method.name} any longer: no answer within {deadline.timeout_s:g} s",
            hint="kukeond goes on with what it has begun; look at the outcome with `kuke get`, or allow more time",
        )

    def _closed_error(self, method: Method) -> errors.Conflict:
        return errors.Conflict(f"cannot do {method.name}: this client was closed meanwhile")


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
