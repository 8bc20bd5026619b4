"""FakeClient: a client that expects nothing, for tests to override what they do expect."""

from __future__ import annotations

from typing import Any

from kukeon_sdk.calls import Calls


class UnexpectedCallError(AssertionError):
    """A method was called that the test did not override; `method` is its name."""

    def __init__(self, method: str) -> None:
        super().__init__(f"unexpected call of {method}()")
        self.method = method


class FakeClient(Calls):
    """A `Client` of which every method raises `UnexpectedCallError` until overridden; `close` never does."""

    def perform(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        """Raise `UnexpectedCallError`."""
        raise UnexpectedCallError(name)
