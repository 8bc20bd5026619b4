"""What makes the wish to have an image right, and when it is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import model, suggest
from kukeon_api.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

ALWAYS = "Always"
IF_NOT_PRESENT = "IfNotPresent"
NEVER = "Never"
POLICIES = (ALWAYS, IF_NOT_PRESENT, NEVER)


def problems(spec: model.ContainerSpec) -> Iterator[Problem]:
    """Yield everything wrong with when a container's image is pulled, with paths relative to it."""
    policy = spec.image_pull_policy
    if policy and policy not in POLICIES:
        yield Problem(
            path="imagePullPolicy",
            message=f"{policy[:80]!r} is none of {', '.join(POLICIES)}",
            suggestion=suggest.question(suggest.nearest(policy, POLICIES)),
        )
