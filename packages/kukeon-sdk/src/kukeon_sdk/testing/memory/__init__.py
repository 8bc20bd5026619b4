"""A kukeon in memory."""

from kukeon_sdk.testing.memory.client import MemoryClient
from kukeon_sdk.testing.memory.world import World

__all__ = ["MemoryClient", "World"]
