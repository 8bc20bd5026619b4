"""One call path for all methods of a client: `Client` declares them, `perform` does them."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, cast

from kukeon_sdk.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

P = ParamSpec("P")
R = TypeVar("R")


def _performed(declared: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Return a method with the signature and the documentation of `declared` that goes through `perform`."""
    name = declared.__name__

    def method(self: Calls, /, *args: Any, **kwargs: Any) -> Any:
        bound = _signature(declared).bind(self, *args, **kwargs)
        bound.apply_defaults()
        arguments = bound.arguments
        arguments.pop("self")
        timeout = arguments.pop("timeout")
        return self.perform(name, arguments, timeout)

    method.__name__ = name
    method.__qualname__ = f"Calls.{name}"
    method.__doc__ = declared.__doc__
    method.__wrapped__ = declared  # type: ignore[attr-defined] # inspect and help() take the signature from here
    return cast("Callable[Concatenate[Any, P], R]", method)


@functools.cache
def _signature(declared: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(declared)


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
    create_realm = _performed(Client.create_realm)
    create_space = _performed(Client.create_space)
    create_stack = _performed(Client.create_stack)
    create_cell = _performed(Client.create_cell)
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
    delete_realm = _performed(Client.delete_realm)
    delete_space = _performed(Client.delete_space)
    delete_stack = _performed(Client.delete_stack)
    delete_cell = _performed(Client.delete_cell)
    log_container = _performed(Client.log_container)
    load_image = _performed(Client.load_image)
    list_images = _performed(Client.list_images)
    get_image = _performed(Client.get_image)
    delete_image = _performed(Client.delete_image)
