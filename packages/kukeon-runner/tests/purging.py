"""Purging levels of a host in memory, and looking for what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import model

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_runner.controller import Controller
    from kukeon_runner.testing.host import FakeHost

KINDS = ["realm", "space", "stack"]


def document(kind: str, name: str = "default") -> Any:
    metadata = model.Metadata(name=name)
    match kind:
        case "realm":
            return model.RealmDoc(metadata=metadata)
        case "space":
            return model.SpaceDoc(metadata=metadata, spec=model.SpaceSpec(realm_id="default"))
        case _:
            spec = model.StackSpec(realm_id="default", space_id="default")
            return model.StackDoc(metadata=metadata, spec=spec)


async def purge(found: Controller, kind: str, name: str = "default", *, cascade: bool = True) -> Any:
    verb: Callable[..., Any] = getattr(found, f"purge_{kind}")
    return await verb(document(kind, name), False, cascade)


def everything(host: FakeHost) -> dict[str, object]:
    left = host.traces() | host.networks()
    left["cgroups"] = {path for path in host.kernel.cgroups if path != "/kukeon"}
    return left | {"conflists": [path for path in host.kernel.files if path.endswith("conflist")]}


def emptied(host: FakeHost, before: dict[str, object], kind: str) -> None:
    """Assert that nothing is left of the default hierarchy from `kind` down."""
    now = everything(host)
    assert (now["records"], now["tasks"], now["pins"], now["shms"]) == (set(), {}, {}, set())
    assert (now["snapshots"], now["attachments"]) == (set(), {})
    depth = KINDS.index(kind) + 1
    assert not [path for path in host.kernel.cgroups if path.startswith("/kukeon" + "/default" * depth)]
    if kind != "stack":
        assert (now["bridges"], now["firewall"], now["conflists"]) == ({}, set(), [])
    if kind == "realm":
        assert now == before
