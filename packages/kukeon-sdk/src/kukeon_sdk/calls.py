"""One call path for all methods of a client: `Client` declares them, `perform` does them."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, cast

from kukeon_sdk import deadline
from kukeon_sdk.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

P = ParamSpec("P")
R = TypeVar("R")


def bind(declared: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return the arguments of `declared`, a method of `Client`, by name with defaults filled in, and its timeout.

    Raises TypeError for arguments that it does not take, Invalid for a timeout that is no time.
    """
    try:
        bound = _signature(declared).bind(None, *args, **kwargs)
    except TypeError as error:  # which method it is about, Python's own say first
        raise TypeError(f"{declared.__name__}() {error}") from None
    bound.apply_defaults()
    arguments = bound.arguments
    arguments.pop("self")
    return arguments, deadline.seconds(arguments.pop("timeout"))


def dress(method: Any, declared: Callable[..., Any], owner: str) -> Any:
    """Give `method` the name, the signature and the documentation of `declared`."""
    method.__name__ = declared.__name__
    method.__qualname__ = f"{owner}.{declared.__name__}"
    method.__doc__ = declared.__doc__
    method.__wrapped__ = declared  # inspect and help() take the signature from here
    return method


@functools.cache
def _signature(declared: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(declared)


def _performed(declared: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Return a method like `declared` that goes through `perform`."""

    def method(self: Calls, /, *args: Any, **kwargs: Any) -> Any:
        return self.perform(declared.__name__, *bind(declared, args, kwargs))

    return cast("Callable[Concatenate[Any, P], R]", dress(method, declared, "Calls"))


class Calls:
    """A `Client` whose methods all go through `perform`; whoever derives from it writes that one, and `close`."""

    def perform(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        """Do the method `name` of `Client` with its `arguments` by name, defaults filled in, and return its result."""
        raise NotImplementedError(f"{type(self).__name__} must define perform()")

    def close(self) -> None:
        """Hang up. Twice is fine."""

    def __enter__(self) -> Self:
        """Return the client itself; leaving the block closes it."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Close the client."""
        self.close()

    ping = _performed(Client.ping)
    apply_documents = _performed(Client.apply_documents)
    delete_documents = _performed(Client.delete_documents)
    create_realm = _performed(Client.create_realm)
    create_space = _performed(Client.create_space)
    create_stack = _performed(Client.create_stack)
    create_cell = _performed(Client.create_cell)
    create_container = _performed(Client.create_container)
    get_realm = _performed(Client.get_realm)
    get_space = _performed(Client.get_space)
    get_stack = _performed(Client.get_stack)
    get_cell = _performed(Client.get_cell)
    get_container = _performed(Client.get_container)
    list_realms = _performed(Client.list_realms)
    list_spaces = _performed(Client.list_spaces)
    list_stacks = _performed(Client.list_stacks)
    list_cells = _performed(Client.list_cells)
    list_containers = _performed(Client.list_containers)
    start_cell = _performed(Client.start_cell)
    start_container = _performed(Client.start_container)
    stop_cell = _performed(Client.stop_cell)
    stop_container = _performed(Client.stop_container)
    kill_cell = _performed(Client.kill_cell)
    kill_container = _performed(Client.kill_container)
    restart_cell = _performed(Client.restart_cell)
    restart_container = _performed(Client.restart_container)
    attach_container = _performed(Client.attach_container)
    log_container = _performed(Client.log_container)
    delete_realm = _performed(Client.delete_realm)
    delete_space = _performed(Client.delete_space)
    delete_stack = _performed(Client.delete_stack)
    delete_cell = _performed(Client.delete_cell)
    delete_container = _performed(Client.delete_container)
    purge_realm = _performed(Client.purge_realm)
    purge_space = _performed(Client.purge_space)
    purge_stack = _performed(Client.purge_stack)
    purge_cell = _performed(Client.purge_cell)
    purge_container = _performed(Client.purge_container)
    refresh_all = _performed(Client.refresh_all)
    load_image = _performed(Client.load_image)
    list_images = _performed(Client.list_images)
    get_image = _performed(Client.get_image)
    delete_image = _performed(Client.delete_image)
    pull_image = _performed(Client.pull_image)
    push_image = _performed(Client.push_image)
    save_image = _performed(Client.save_image)
    tag_image = _performed(Client.tag_image)
    prune_images = _performed(Client.prune_images)
    events = _performed(Client.events)
    logs = _performed(Client.logs)
    exec = _performed(Client.exec)
    attach = _performed(Client.attach)
    resize_terminal = _performed(Client.resize_terminal)
