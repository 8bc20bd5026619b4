"""Pulls and pushes as people see them, and the logins that docker keeps for whoever runs kuke."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from kukeon_api import docker_config, errors, image_ref, model
from kukeon_cli import quantities, terminal

if TYPE_CHECKING:
    from kukeon_sdk.streams import Stream

_STAGE = model.TransferStage


def login(ref: str) -> model.RegistryLogin:
    """Return the login that docker keeps for the registry of `ref`, which is sent along; empty when it keeps none.

    Raises what is wrong with docker's configuration, or with its helper for this registry.
    """
    registry = image_ref.parse(ref).registry
    found = docker_config.load(docker_config.default_path(os.environ)).login(registry)
    if found is None:
        return model.RegistryLogin()
    return model.RegistryLogin(
        server_address=registry,
        username=found.username,
        password=found.password,
        identity_token=found.identity_token,
    )


def follow(events: Stream[model.TransferEvent], doing: str) -> model.TransferResult:
    """Show how far a transfer is, on a terminal, and return what came of it; Ctrl-C ends it."""
    blobs: dict[str, model.TransferEvent] = {}
    with terminal.Progress(doing) as progress, closing(events):
        for event in events:
            if event.result is not None:
                return event.result
            if event.digest:
                blobs[event.digest] = event
            progress.update(f"{doing}: {told(blobs)}" if blobs else f"{doing}: asking the registry")
    raise errors.Unavailable(f"cannot finish {doing}: kukeond hung up before the end", hint="run the command again")


def told(blobs: dict[str, model.TransferEvent]) -> str:
    """Return how far all blobs together are, in a few words."""
    total = sum(each.total_bytes for each in blobs.values())
    done = sum(each.done_bytes for each in blobs.values())
    stages = [each.stage for each in blobs.values()]
    left = sum(stage in (_STAGE.WAITING, _STAGE.DOWNLOADING, _STAGE.UPLOADING) for stage in stages)
    if not left:
        return f"{quantities.size(total)}, unpacking" if _STAGE.UNPACKING in stages else quantities.size(total)
    percent = 100 * done // total if total else 0
    return f"{quantities.size(done)} of {quantities.size(total)}, {percent} %, {left} of {len(blobs)} blobs left"
