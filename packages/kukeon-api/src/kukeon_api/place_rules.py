"""What a path in a manifest may be: on the host, and in a container. Problems have the paths of the document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

# What every container has from us. Another mount there would not add to it but take it away, and with it what keeps
# the container apart from the host (runc refuses to mount over /proc itself). The longer ones come first.
_TAKEN = {
    "/proc": "it is the kernel's view of the container's own processes",
    "/sys": "it is the kernel's view of devices and cgroups, read-only",
    "/dev/shm": "the containers of a cell share the memory that is mounted there",  # noqa: S108 - in the container
    "/dev": "it holds the container's own devices",
    "/etc/hosts": "kukeon writes this file for each cell",
    "/etc/hostname": "kukeon writes this file for each cell",
    "/etc/resolv.conf": "kukeon writes this file for each cell",
}


def absolute(path: str, text: str) -> Iterator[Problem]:
    """A clean absolute path: what is written is what is used."""
    if not text.startswith("/"):
        yield Problem(path=path, message=f"{text[:200]!r} is not an absolute path")
    elif ".." in text.split("/"):
        yield Problem(path=path, message=f"{text[:200]!r} must not contain '..'")
    elif len(text.encode("utf-8", "surrogatepass")) >= 4096:
        yield Problem(path=path, message="is longer than the 4095 bytes that Linux allows")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        yield Problem(path=path, message="must not contain control characters")


def mount_point(path: str, text: str) -> Iterator[Problem]:
    if not text:
        yield Problem(path=path, message="is required")
    elif not text.startswith("/"):
        yield from absolute(path, text)
    elif clean(text) == "/":
        yield Problem(path=path, message="cannot mount over the container's root")
    else:
        yield from absolute(path, text)
        yield from _taken(path, text)


def clean(path: str) -> str:
    """Return an absolute path as the kernel walks it, but for links and '..'."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def _taken(path: str, target: str) -> Iterator[Problem]:
    cleaned = clean(target)
    for place, reason in _TAKEN.items():
        if cleaned == place or cleaned.startswith(f"{place}/"):
            where = place if cleaned == place else f"{cleaned[:200]!r}, which is below {place}"
            yield Problem(path=path, message=f"cannot mount over {where}: {reason}")
            return
