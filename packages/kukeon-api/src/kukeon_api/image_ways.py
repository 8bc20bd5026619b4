"""How people come by an image that a realm lacks."""

from __future__ import annotations

from kukeon_api import errors, image_ref

LOCAL = "localhost"
"""The registry of names that stand for no registry: of builders, and of archives that name nothing."""


def to_have(name: str, realm: str, *, pulled: bool = False) -> str:
    """Return the commands that bring the image `name`, one of which fits; `pulled`: its registry did not help."""
    where = f" --realm {realm}"
    ways = [f"load it: kuke image load FILE{where}"]
    if _is_local(name):
        ways.append(f"build it: kuke build -t {_short(name)} DIRECTORY{where}")
    elif not pulled:
        ways.insert(0, f"pull it: kuke image pull {_short(name)}{where}")
    return "; or ".join(ways)


def _is_local(name: str) -> bool:
    try:
        return image_ref.parse(name).registry == LOCAL
    except errors.InvalidImage:
        return False


def _short(name: str) -> str:
    """Return what people write for a full name."""
    return name.removeprefix("docker.io/").removeprefix("library/").removesuffix(":latest")
