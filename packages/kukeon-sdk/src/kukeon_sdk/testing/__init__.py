"""For tests of programs that use the SDK, and of other clients than ours.

`FakeClient` expects nothing: every method raises until a test overrides it. `MemoryClient` behaves like a kukeon.
`contract.ClientContract` is the suite that every client has to pass (it needs pytest). `archives` makes images.
"""

from kukeon_sdk.testing.fake import FakeClient, UnexpectedCallError
from kukeon_sdk.testing.memory import MemoryClient

__all__ = ["FakeClient", "MemoryClient", "UnexpectedCallError"]
