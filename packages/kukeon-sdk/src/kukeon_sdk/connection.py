"""One gRPC connection to kukeond: the only module of the SDK that sees gRPC, loaded with the first call."""

from __future__ import annotations

import threading
import time
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

_NEVER_CONNECTED = "failed to connect"
"""How gRPC's details begin when a call had no connection at all (client_channel in grpc/grpc); tests hold it to it."""


class Connection:
    """Calls of methods on the kukeond at `path`, and what their failures mean."""

    def __init__(self, path: str, dial_timeout_s: float) -> None:
        self._path = path
        self._dial_timeout_s = dial_timeout_s
        self._closed = False
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
        started = time.monotonic()
        try:
            call = start(left_s)
        except ValueError as error:  # the channel was closed by another thread
            raise self._closed_error(method) from error
        try:
            reply = call.result()
        except grpc.FutureCancelledError as error:  # by us, or by a daemon that stopped
            waited_s = time.monotonic() - started
            raise (
                self._closed_error(method) if self._closed else self._unavailable(method, "cancelled", waited_s)
            ) from error
        except grpc.RpcError as error:
            raise self._translated(method, error, deadline, time.monotonic() - started) from error
        except BaseException:
            call.cancel()  # Ctrl-C
            raise
        return reply

    def _translated(self, method: Method, error: Any, deadline: Deadline, waited_s: float) -> errors.KukeonError:
        """Return what a failed call means: kukeond's own error where it sent one, else gRPC's in our words."""
        code, details = error.code().name, error.details() or ""
        trailers = {key: value for key, value in error.trailing_metadata() or ()}
        detail = trailers.get(status.TRAILER)
        if detail is not None:
            return status.from_status(code, details, detail)
        if self._closed:
            return self._closed_error(method)
        match code:
            case "DEADLINE_EXCEEDED":
                return self._timed_out(method, deadline)
            case "UNAVAILABLE":
                return self._unavailable(method, details, waited_s)
            case "UNIMPLEMENTED":
                return errors.Unsupported(
                    f"cannot do {method.name}: the kukeond at {self._path!r} does not know it",
                    hint="client and daemon have different versions: `kuke version` shows them",
                )
            case "RESOURCE_EXHAUSTED":
                return errors.HostError(f"cannot do {method.name}: too large for one message: {details}")
        return status.from_status(code, f"cannot do {method.name}: {details or code}", None)

    def _unavailable(self, method: Method, details: str, waited_s: float) -> errors.KukeonError:
        """Return what it means that gRPC calls kukeond unavailable after `waited_s` seconds."""
        # gRPC's only word on whether the call had a connection; everything else it says is about one that ended.
        if not details.startswith(_NEVER_CONNECTED):
            return self._lost(method)
        try:
            reach.check_reachable(self._path, self._dial_timeout_s)
        except errors.KukeonError as error:
            return error
        # The attempt to connect ends by itself after the dial timeout; timers of others may be a little early.
        if waited_s >= self._dial_timeout_s * 0.9:
            return errors.Unavailable(
                f"cannot reach kukeond at {self._path!r}: no answer within {self._dial_timeout_s:g} s",
                hint="it was paused, hangs or is overloaded; `kuke daemon logs` tells more",
            )
        return errors.Unavailable(
            f"cannot reach kukeond at {self._path!r}: what listens there does not answer as kukeond",
            hint=f"something else has the socket, or kukeond is just ending (gRPC: {details})",
        )

    def _lost(self, method: Method) -> errors.KukeonError:
        """Return what to tell when the connection ended under a call."""
        # Whether kukeond is back cannot be known yet: a process that ends closes its connections before its socket.
        again = "the same command can be repeated once kukeond serves again (if it does not: `sudo kuke daemon start`)"
        return errors.Unavailable(
            f"cannot finish {method.name}: kukeond at {self._path!r} ended during the call",
            hint=f"the work may be half done; {again}" if method.writes else again,
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
