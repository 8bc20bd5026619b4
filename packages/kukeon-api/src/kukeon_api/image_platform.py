"""The platforms of images, as people write them: `linux/arm64`, `linux/arm/v7`, or `all`."""

from __future__ import annotations

import re

from kukeon_api import errors

ALL = "all"
"""Every platform that there is."""

_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "i386": "386", "i686": "386"}
_PARTS = (2, 3)


def parse(text: str) -> tuple[str, str, str]:
    """Return operating system, architecture and variant ("" for none) of `os/architecture[/variant]`.

    Names of the kernel are taken for Go's: `linux/aarch64` is linux/arm64. Raises `Invalid`.
    """
    parts = text.lower().split("/")
    if len(parts) not in _PARTS or not all(_WORD.fullmatch(part) for part in parts):
        raise errors.Invalid(
            f"cannot use {text[:100]!r} as a platform: expected os/architecture, such as linux/arm64",
            hint="leave it out for this host's platform, or say `all` for every one",
        )
    system, architecture, *variant = parts
    return system, _ALIASES.get(architecture, architecture), variant[0] if variant else ""


def check(text: str) -> str:
    """Return `text` as it is written in full; "" and `all` are fine, too. Raises `Invalid`."""
    if text in ("", ALL):
        return text
    return "/".join(part for part in parse(text) if part)
