"""What `kuke run` is tried with, and what it has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import model

if TYPE_CHECKING:
    from memory_client import MemoryClient

WEB = model.Ref("default", "default", "default", "web")
IMAGE = "docker.io/library/busybox:latest"


def cells(memory: MemoryClient) -> list[model.CellDoc]:
    return [doc for ref, doc in memory.docs.items() if isinstance(doc, model.CellDoc)]


def only(memory: MemoryClient) -> model.CellDoc:
    (cell,) = cells(memory)
    return cell
