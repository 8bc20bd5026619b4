"""How far a pull or a push is, for whoever looks."""

from __future__ import annotations

import dataclasses

from kukeon_api import model


@dataclasses.dataclass
class Progress:
    """The last thing known of the image and of each of its blobs; written by one task, read by any on its loop."""

    events: dict[str, model.TransferEvent] = dataclasses.field(default_factory=dict)
    """By digest; "" is the image as a whole."""

    def tell(self, stage: model.TransferStage, digest: str = "", done: int = 0, total: int = 0) -> None:
        """Put down where something is now."""
        self.events[digest] = model.TransferEvent(stage=stage, digest=digest, done_bytes=done, total_bytes=total)


class News:
    """What one reader has not seen yet of a `Progress`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._seen: dict[str, model.TransferEvent] = {}

    def take(self) -> tuple[model.TransferEvent, ...]:
        """Return what is new since the last time, in the order in which the parts were met first."""
        new = tuple(event for digest, event in self._progress.events.items() if self._seen.get(digest) != event)
        self._seen = dict(self._progress.events)
        return new
