"""Requests and pages, as both kinds of clients make them, and the channel that carries them. No call is made here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kukeon_api import calls, errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from kukeon_api.methods import Method

# A list that pages for ever is a daemon gone wrong; ten thousand pages of 32 MiB are no list anybody asked for.
MAX_PAGES = 10_000


def target(path: str) -> str:
    """Return how gRPC calls the unix socket `path`."""
    return f"unix:{quote(path)}"


def options(dial_timeout_s: float) -> tuple[tuple[str, int], ...]:
    """Return the options of a channel that may take `dial_timeout_s` seconds to connect."""
    dial_timeout_ms = max(1, int(dial_timeout_s * 1000))
    return (
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


def checked(method: Method, message: Message) -> Message:
    """Return `message`; raises `Invalid` when it is larger than kukeond takes."""
    size = message.ByteSize()
    if size > calls.MAX_MESSAGE_BYTES:
        raise errors.Invalid(
            f"cannot send {method.name}: {size} bytes are more than the limit of {calls.MAX_MESSAGE_BYTES}",
            hint="split it up",
        )
    return message


class Pages:
    """A list that comes in pages: send `request`, `take` the reply, until there is no request any more."""

    def __init__(self, method: Method, arguments: Mapping[str, Any]) -> None:
        self._method = method
        self._arguments = arguments
        self._items: list[Any] = []
        self._taken = 0
        self.request: Message | None = calls.pack_args(method, arguments)

    def take(self, reply: Any) -> None:
        """Add a page. Raises `HostError` when there is no end to them."""
        self._items += calls.unpack_reply(self._method, reply)
        self._taken += 1
        token = calls.next_page_token(reply)
        if token and self._taken >= MAX_PAGES:
            raise errors.HostError(f"cannot list with {self._method.name}: kukeond sent {MAX_PAGES} pages and no end")
        self.request = calls.pack_args(self._method, self._arguments, token) if token else None

    @property
    def items(self) -> tuple[Any, ...]:
        """What the pages taken so far have."""
        return tuple(self._items)
