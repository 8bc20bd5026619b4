"""Image: what containerd has of one image of a realm."""

from __future__ import annotations

import msgspec

from kukeon_api.model.base import Model, Time


class ImageInfo(Model):
    """One image; `size` is in bytes, -1 where containerd cannot tell."""

    name: str
    size: int = 0
    created_at: Time | None = None
    digest: str = ""
    media_type: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
