"""What makes the wish to be started again right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import model, suggest
from kukeon_api.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER = "no"
ALWAYS = "always"
ON_FAILURE = "on-failure"
UNLESS_STOPPED = "unless-stopped"
POLICIES = (NEVER, ALWAYS, ON_FAILURE, UNLESS_STOPPED)

LONGEST_BACKOFF_S = 3600
MOST_RETRIES = 1_000_000


def problems(spec: model.ContainerSpec) -> Iterator[Problem]:
    """Yield everything wrong with the restart settings of a container, with paths relative to it."""
    policy, backoff_s, retries = spec.restart_policy, spec.restart_backoff_seconds, spec.restart_max_retries
    if policy and policy not in POLICIES:
        yield Problem(
            path="restartPolicy",
            message=f"{policy[:80]!r} is none of {', '.join(POLICIES)}",
            suggestion=suggest.question(suggest.nearest(policy, POLICIES)),
        )
    if backoff_s is not None:
        if not 0 <= backoff_s <= LONGEST_BACKOFF_S:
            yield Problem(path="restartBackoffSeconds", message=f"{backoff_s} is not from 0 to {LONGEST_BACKOFF_S}")
        if policy in ("", NEVER):
            yield Problem(path="restartBackoffSeconds", message="needs a restartPolicy that starts the container again")
    if retries is not None:
        if not 1 <= retries <= MOST_RETRIES:
            yield Problem(path="restartMaxRetries", message=f"{retries} is not from 1 to {MOST_RETRIES}")
        if policy != ON_FAILURE:
            yield Problem(path="restartMaxRetries", message=f"counts with restartPolicy {ON_FAILURE} only")
