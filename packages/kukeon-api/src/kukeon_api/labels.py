"""Keys of the labels that kukeon sets: on its own documents and on containerd's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# On documents, the names of the levels that apply: on a realm its own, on a cell those of all its parents too.
REALM = "realm.kukeon.io"
SPACE = "space.kukeon.io"
STACK = "stack.kukeon.io"
CELL = "cell.kukeon.io"
CONTAINER = "container.kukeon.io"

PROFILE = "kukeon.io/profile"
"""On cells that were made from a profile: its name. Whoever makes such a cell sets it, so it counts as authored."""

MANAGED_SUFFIX = ".kukeon.io"

# On containerd's objects.
CONTAINERD_TYPE = "kukeon.io/container-type"
CONTAINERD_REALM = "kukeon.io/realm"
CONTAINERD_SPACE = "kukeon.io/space"
CONTAINERD_STACK = "kukeon.io/stack"
CONTAINERD_CELL = "kukeon.io/cell"
CONTAINERD_CELL_NAME = "kukeon.io/cell-name"
CONTAINERD_CONTAINER = "kukeon.io/container"
CONTAINERD_INSTANCE = "kukeon.io/instance"
CONTAINERD_SPEC_HASH = "kukeon.io/spec-hash"
CONTAINERD_SPEC_HASH_VERSION = "kukeon.io/spec-hash-version"
TYPE_ROOT = "root"
TYPE_CONTAINER = "container"


def is_managed(key: str) -> bool:
    """Tell whether kukeon, not the user, sets the document label `key`."""
    return key.endswith(MANAGED_SUFFIX)


def authored(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that are the user's own."""
    return {key: value for key, value in labels.items() if not is_managed(key)}
