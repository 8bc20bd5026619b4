"""A kukeond of a few lines: the real wire on a real socket, with answers that a test chooses."""

from __future__ import annotations

import sys
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from kukeon_api import calls, methods, parts, status
from kukeon_sdk import UnixClient, aio, streams

sys.path.append(str(Path(__file__).parent))  # last: others have a `conftest` of their own
from terminal_server import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from kukeon_api.methods import Method

# What a failing assertion of the contract says is worth as much as one of a test here.
pytest.register_assert_rewrite("kukeon_sdk.testing.contract")

PAGE_ITEMS = 3


class Daemon:
    """Answers the method `name` with `answers[name](**arguments)`; what an answer raises becomes a status."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, Callable[..., Any]] = {}
        self.requests = 0
        self._start()

    def _start(self) -> None:
        options = (
            ("grpc.max_send_message_length", calls.MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", calls.MAX_MESSAGE_BYTES),
        )
        self._server = grpc.server(futures.ThreadPoolExecutor(8), options=options)
        handlers = {method.name: self._handler(method) for method in methods.METHODS.values()}
        service = f"{methods.PACKAGE}.{methods.SERVICE}"
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self._server.add_insecure_port(f"unix:{self.path}")
        self._server.start()

    def _handler(self, method: Method) -> Any:
        def unary(request: Any, context: Any) -> Any:
            self.requests += 1
            try:
                result = self.answers[method.python](**calls.unpack_args(method, request))
            except Exception as error:
                self._abort(context, error)
            if not method.paged:
                return calls.pack_reply(method, result)
            start = int(request.page_token or 0)
            end = start + PAGE_ITEMS
            return calls.pack_reply(method, result[start:end], str(end) if end < len(result) else "")

        def upload(requests: Any, context: Any) -> Any:
            first = next(requests)
            try:
                result = self.answers[method.python](**calls.unpack_args(method, first), tarball=_pieces(requests))
            except Exception as error:
                self._abort(context, error)
            return calls.pack_reply(method, result)

        def listed(request: Any, context: Any) -> Any:
            self.requests += 1
            try:
                answer = self.answers[method.python](**calls.unpack_args(method, request))
                if isinstance(answer, streams.Stream):
                    # A client that leaves must not leave a thread behind that waits for the next item.
                    context.add_callback(answer.close)
                for item in answer:
                    yield calls.pack_reply(method, (item,))
            except Exception as error:
                self._abort(context, error)

        def both(requests: Any, context: Any) -> Any:
            start = parts.unpack_start(method, next(requests))
            asked = (parts.unpack_asked(method, request) for request in requests)
            try:
                for part in self.answers[method.python](asked, **start):
                    yield parts.pack_told(method, *part)
            except Exception as error:
                self._abort(context, error)

        if method.stream:
            one_way = method.stream == "server"
            make = grpc.unary_stream_rpc_method_handler if one_way else grpc.stream_stream_rpc_method_handler
            return make(
                listed if one_way else both,
                calls.args_class(method).FromString,
                calls.reply_class(method).SerializeToString,
            )
        make = grpc.stream_unary_rpc_method_handler if method.upload else grpc.unary_unary_rpc_method_handler
        behaviour: Any = upload if method.upload else unary
        return make(behaviour, calls.args_class(method).FromString, calls.reply_class(method).SerializeToString)

    @staticmethod
    def _abort(context: Any, error: BaseException) -> None:
        code, message, detail = status.to_status(error)
        context.set_trailing_metadata(((status.TRAILER, detail),))
        context.abort(grpc.StatusCode[code], message)

    def stop(self) -> None:
        self._server.stop(0).wait()

    def restart(self) -> None:
        self.stop()
        self._start()


def _pieces(requests: Any) -> Iterator[bytes]:
    for request in requests:
        if not request.chunk:
            return
        yield request.chunk
    raise ConnectionError("the upload ended without its end mark")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / "k.sock")
    yield daemon
    daemon.stop()


@pytest.fixture
def client(daemon: Daemon) -> Iterator[UnixClient]:
    with UnixClient(str(daemon.path)) as client:
        yield client


@pytest.fixture
async def later(daemon: Daemon) -> AsyncIterator[aio.AsyncClient]:
    """The same client for asyncio."""
    async with aio.dial(str(daemon.path)) as client:
        yield client


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "tty.sock")
    yield made
    made.close()
