"""AsyncClient: the methods of `Client`, each made awaitable; nothing of them is declared a second time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, cast

from kukeon_sdk.aio.streams import AsyncStream
from kukeon_sdk.calls import bind, dress
from kukeon_sdk.client import DIAL_TIMEOUT_S, Client

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Sequence
    from types import TracebackType
    from typing import BinaryIO

    from kukeon_api import model
    from kukeon_sdk.aio.sessions import AsyncAttachSession, AsyncExecSession
    from kukeon_sdk.streams import Stream

P = ParamSpec("P")
R = TypeVar("R")


def dial(address: str | os.PathLike[str] | None = None, *, dial_timeout: float = DIAL_TIMEOUT_S) -> AsyncClient:
    """Return a client of the kukeond at `address`, like `kukeon_sdk.dial`; nothing is connected before the first call.

    Raises `UnsupportedSchemeError` for schemes that are not supported, `Invalid` for what is no address.
    """
    from kukeon_sdk import address as addresses
    from kukeon_sdk.aio.remote import AsyncUnixClient

    path = addresses.socket_path(addresses.default_address() if address is None else address)
    return AsyncUnixClient(path, dial_timeout=dial_timeout)


def _awaited(declared: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]:
    """Return a method with the parameters of `declared` whose call has to be awaited."""

    async def method(self: AsyncClient, /, *args: Any, **kwargs: Any) -> Any:
        return await self.perform(declared.__name__, *bind(declared, args, kwargs))

    dressed = dress(method, declared, "AsyncClient")
    return cast("Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]", dressed)


def _iterated(declared: Callable[Concatenate[Any, P], Stream[R]]) -> Callable[Concatenate[Any, P], AsyncStream[R]]:
    """Return a method with the parameters of `declared` that is iterated over asynchronously."""

    def method(self: AsyncClient, /, *args: Any, **kwargs: Any) -> AsyncStream[Any]:
        name, (arguments, timeout) = declared.__name__, bind(declared, args, kwargs)
        return AsyncStream(lambda: self.perform(name, arguments, timeout))

    dressed = dress(method, declared, "AsyncClient")
    return cast("Callable[Concatenate[Any, P], AsyncStream[R]]", dressed)


class AsyncClient:
    """A `kukeon_sdk.Client` for asyncio: same methods, arguments, results and errors.

    Cancelling a task that awaits one ends the waiting, not the work that kukeond has begun; only an upload that is
    not at its end is given up. All methods go through `perform`; whoever derives from this writes that one, and
    `close`. One client serves any number of tasks of one event loop.
    """

    async def perform(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        """Do the method `name` of `Client` with its `arguments` by name, defaults filled in, and return its result.

        Of a method that returns an `AsyncStream`, that is the `streams.AsyncSource` of the items.
        """
        raise NotImplementedError(f"{type(self).__name__} must define perform()")

    async def close(self) -> None:
        """Hang up. Twice is fine; other methods raise `Conflict` afterwards."""

    async def __aenter__(self) -> Self:
        """Return the client itself; leaving the block closes it."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Close the client."""
        await self.close()

    async def load_image(
        self,
        realm: str,
        tarball: bytes | BinaryIO | Iterable[bytes] | AsyncIterable[bytes],
        *,
        platform: str = "",
        timeout: float | None = None,
    ) -> model.LoadImageResult:
        """Import an OCI or docker archive like `Client.load_image`, also from an asynchronous iterable.

        Files and iterables are read on other threads, a piece at a time.
        """
        arguments = {"realm": realm, "tarball": tarball, "platform": platform}
        result: model.LoadImageResult = await self.perform("load_image", arguments, timeout)
        return result

    async def exec(
        self,
        doc: model.ContainerDoc,
        command: Sequence[str],
        *,
        tty: bool = False,
        env: Sequence[str] = (),
        user: str = "",
        working_dir: str = "",
        rows: int = 0,
        columns: int = 0,
        timeout: float | None = None,
    ) -> AsyncExecSession:
        """Run a program in a running container like `Client.exec`: `async with await client.exec(...) as session`."""
        arguments = {
            "doc": doc,
            "command": command,
            "tty": tty,
            "env": env,
            "user": user,
            "working_dir": working_dir,
            "rows": rows,
            "columns": columns,
        }
        session: AsyncExecSession = await self.perform("exec", arguments, timeout)
        return session

    async def attach(
        self,
        doc: model.ContainerDoc,
        *,
        rows: int = 0,
        columns: int = 0,
        position: int = 0,
        timeout: float | None = None,
    ) -> AsyncAttachSession:
        """Connect to a terminal like `Client.attach`: `async with await client.attach(doc) as session`."""
        arguments = {"doc": doc, "rows": rows, "columns": columns, "position": position}
        session: AsyncAttachSession = await self.perform("attach", arguments, timeout)
        return session

    ping = _awaited(Client.ping)
    apply_documents = _awaited(Client.apply_documents)
    delete_documents = _awaited(Client.delete_documents)
    create_realm = _awaited(Client.create_realm)
    create_space = _awaited(Client.create_space)
    create_stack = _awaited(Client.create_stack)
    create_cell = _awaited(Client.create_cell)
    create_container = _awaited(Client.create_container)
    get_realm = _awaited(Client.get_realm)
    get_space = _awaited(Client.get_space)
    get_stack = _awaited(Client.get_stack)
    get_cell = _awaited(Client.get_cell)
    get_container = _awaited(Client.get_container)
    list_realms = _awaited(Client.list_realms)
    list_spaces = _awaited(Client.list_spaces)
    list_stacks = _awaited(Client.list_stacks)
    list_cells = _awaited(Client.list_cells)
    list_containers = _awaited(Client.list_containers)
    start_cell = _awaited(Client.start_cell)
    start_container = _awaited(Client.start_container)
    stop_cell = _awaited(Client.stop_cell)
    stop_container = _awaited(Client.stop_container)
    kill_cell = _awaited(Client.kill_cell)
    kill_container = _awaited(Client.kill_container)
    restart_cell = _awaited(Client.restart_cell)
    restart_container = _awaited(Client.restart_container)
    attach_container = _awaited(Client.attach_container)
    log_container = _awaited(Client.log_container)
    delete_realm = _awaited(Client.delete_realm)
    delete_space = _awaited(Client.delete_space)
    delete_stack = _awaited(Client.delete_stack)
    delete_cell = _awaited(Client.delete_cell)
    delete_container = _awaited(Client.delete_container)
    purge_realm = _awaited(Client.purge_realm)
    purge_space = _awaited(Client.purge_space)
    purge_stack = _awaited(Client.purge_stack)
    purge_cell = _awaited(Client.purge_cell)
    purge_container = _awaited(Client.purge_container)
    refresh_all = _awaited(Client.refresh_all)
    list_images = _awaited(Client.list_images)
    get_image = _awaited(Client.get_image)
    delete_image = _awaited(Client.delete_image)
    pull_image = _iterated(Client.pull_image)
    push_image = _iterated(Client.push_image)
    save_image = _iterated(Client.save_image)
    tag_image = _awaited(Client.tag_image)
    prune_images = _awaited(Client.prune_images)
    events = _iterated(Client.events)
    logs = _iterated(Client.logs)
    resize_terminal = _awaited(Client.resize_terminal)
