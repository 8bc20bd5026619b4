"""What tells whether a container is still what its manifest asks for. Pure."""

from __future__ import annotations

import hashlib
import json

import msgspec

from kukeon_api import model

SPEC_VERSION = "2"
"""Grows when `spec` makes another document of the same manifest, in a way that existing containers must follow."""

NOT_HASHED = frozenset(
    {
        "containerd_id",
        "realm_id",
        "space_id",
        "stack_id",
        "cell_id",
        "cni_config_path",
        "image_pull_policy",
        "restart_policy",
        "restart_backoff_seconds",
        "restart_max_retries",
        "ports",
        "labels",
    }
)
"""Fields that a container is not made from: what the server fills in, what is to happen after its end, the labels
that people find it by, and the ports of the host that lead to the cell."""


def pause_hash(*, networked: bool) -> str:
    return f"{SPEC_VERSION}-pause" if networked else f"{SPEC_VERSION}-pause-host-network"


def spec_hash(wanted: model.ContainerSpec, *, nested: bool) -> str:
    """Tell apart containers that must be made anew from those that may be started again with their writable layer.

    `nested` is the cell's own wish, which shows in each of its containers.
    """
    plain = msgspec.to_builtins(wanted)
    kept = {key: value for key, value in sorted(plain.items()) if key not in _NOT_HASHED_NAMES}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    version = f"{SPEC_VERSION}-nested" if nested else SPEC_VERSION
    return f"{version}-{hashlib.sha256(text.encode()).hexdigest()}"


def same_manifest(one: str, other: str) -> bool:
    """Whether two hashes are of the same manifest, whichever versions of `spec` they name."""
    return one.partition("-")[2] == other.partition("-")[2] != ""


_NOT_HASHED_NAMES = {
    each.encode_name for each in msgspec.structs.fields(model.ContainerSpec) if each.name in NOT_HASHED
}
