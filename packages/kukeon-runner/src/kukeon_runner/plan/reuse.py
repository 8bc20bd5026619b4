"""Which containers that are there may stay as they are, or be started again with what was written in them. Pure."""

from __future__ import annotations

from kukeon_runner import manifest_hash, observed, wanted

RUNS = frozenset({observed.TaskStatus.RUNNING, observed.TaskStatus.PAUSED, observed.TaskStatus.PAUSING})
"""States in which a task is left alone. One that was created and never started is made again."""


def reusable(spec_hash: str, found: observed.Container | None, *, needs_snapshot: bool) -> bool:
    """Whether what is recorded, and so its writable layer, is the container with this hash."""
    if found is None or not found.recorded or found.spec_hash != spec_hash:
        return False
    return found.snapshot or not needs_snapshot


def outdated(spec_hash: str, found: observed.Container | None, *, needs_snapshot: bool) -> bool:
    """Whether what is recorded is of the same manifest, and another version made it.

    It is not made anew, which would cost what was written in it: where it runs it runs on, and before it is started the
    next time its record is renewed.
    """
    if found is None or not found.recorded or found.spec_hash == spec_hash:
        return False
    return (found.snapshot or not needs_snapshot) and manifest_hash.same_manifest(found.spec_hash, spec_hash)


def intact(spec_hash: str, found: observed.Container) -> bool:
    """Whether `found` runs and is the container with this hash, so that `start` leaves it alone."""
    fits = found.spec_hash == spec_hash or outdated(spec_hash, found, needs_snapshot=False)
    return found.recorded and fits and runs(found)


def usable(container: wanted.Container, found: observed.Container) -> bool:
    digest, needed = container.spec_hash, bool(container.image)
    return reusable(digest, found, needs_snapshot=needed) or outdated(digest, found, needs_snapshot=needed)


def runs(found: observed.Container) -> bool:
    return found.task is not None and found.task.status in RUNS
