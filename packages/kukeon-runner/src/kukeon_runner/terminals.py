"""A container's terminal as its manifest wants it: finished names, and what is typed into it first. Pure."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kukeon_api import model


@dataclass(frozen=True)
class Terminal:
    name: str
    """What its files in the runtime directory are called: short, since the path of a socket ends at 107 bytes."""
    capture: str
    """The file that keeps what it shows."""
    typing: str = ""
    """What is typed into it when the program is there."""


def name(ref: model.Ref) -> str:
    """16 hex digits for the terminal of a container. Names have no underscore, so no two are joined alike."""
    return hashlib.sha256("_".join(ref.parts).encode()).hexdigest()[:16]


def typing(tty: model.ContainerTty | None) -> str:
    """The keys to press: the prompt first, then the scripts line by line. Enter is a carriage return."""
    if tty is None:
        return ""
    lines = [f"export PS1={shlex.quote(tty.prompt)}"] if tty.prompt else []
    for stage in tty.on_init:
        lines += stage.script.splitlines()
    return "".join(f"{line}\r" for line in lines)
