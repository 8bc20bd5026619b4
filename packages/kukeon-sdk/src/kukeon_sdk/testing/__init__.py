"""For tests of programs that use the SDK."""

from kukeon_sdk.testing.fake import FakeClient, UnexpectedCallError

__all__ = ["FakeClient", "UnexpectedCallError"]
