"""Cells of one space know each other by name: the text of each one's hosts file. Pure.

A cell is `web`, and `web.backend` by its stack. Stacks of a space may have cells of one name; the bare name is then the
one in the own stack, and nobody's elsewhere.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kukeon_runner import etc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_api import model, ports


@dataclass(frozen=True)
class Member:
    """A cell that is attached to its space's network, as far as others are concerned."""

    ref: model.Ref
    bridge: str
    hosts: str
    """Path of its hosts file."""
    ports: tuple[ports.Port, ...] = ()
    address: str = ""


def texts(members: Iterable[Member]) -> dict[str, str]:
    """The hosts files of the members of one space, by path."""
    found = sorted(members, key=lambda each: each.ref)
    bare = Counter(each.ref.cell for each in found)
    stacks: dict[str, tuple[str, dict[model.Ref, str]]] = {}
    files = {}
    for member in found:
        if member.ref.stack not in stacks:
            lines = {each.ref: _line(each, member.ref.stack, bare) for each in found}
            stacks[member.ref.stack] = "".join(lines.values()), lines
        everybody, lines = stacks[member.ref.stack]
        # One text for all of a stack, less one line: composing each file of its own would cost n times n lines.
        others = everybody.replace(lines[member.ref], "", 1)
        files[member.hosts] = etc.hosts(member.ref.cell, member.address) + others
    return files


def _line(member: Member, stack: str, bare: Counter[str]) -> str:
    full = f"{member.ref.cell}.{member.ref.stack}"
    alone = bare[member.ref.cell] == 1 or member.ref.stack == stack
    return f"{member.address}\t{member.ref.cell} {full}\n" if alone else f"{member.address}\t{full}\n"
