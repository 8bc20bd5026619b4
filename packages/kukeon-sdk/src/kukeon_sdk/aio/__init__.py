"""The client for asyncio: `async with kukeon_sdk.aio.dial() as client: await client.list_cells()`.

Its methods are those of `kukeon_sdk.Client`, awaited; what those yield comes with `async for`. Importing this is cheap;
gRPC is loaded by the first call.
"""

from kukeon_sdk.aio.client import AsyncClient, dial
from kukeon_sdk.aio.remote import AsyncUnixClient
from kukeon_sdk.aio.sessions import AsyncAttachSession, AsyncExecSession
from kukeon_sdk.aio.streams import AsyncStream

__all__ = ["AsyncAttachSession", "AsyncClient", "AsyncExecSession", "AsyncStream", "AsyncUnixClient", "dial"]
