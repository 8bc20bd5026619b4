"""What the tests here ask of a registry."""

from typing import Any

from kukeon_api import image_ref
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.testing.registry import ServedRegistry

MANIFEST = b'{"schemaVersion": 2}'


def ref(address: str) -> image_ref.ImageRef:
    return image_ref.parse(f"{address}/team/app:1")


async def read(registry: Registry, served: ServedRegistry, descriptor: Any) -> bytes:
    return b"".join([piece async for piece in registry.blob(ref(served.address), descriptor)])
