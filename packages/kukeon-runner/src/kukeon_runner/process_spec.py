"""The OCI process document of a program that runs in a container beside its own. Pure."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kukeon_api import exec_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

TERM = "TERM=xterm"
"""What a terminal is taken for when nobody says: every image that knows any knows this one."""


@dataclass(frozen=True)
class Program:
    """What is to run. What is empty is the container's own."""

    command: tuple[str, ...]
    tty: bool = False
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    rows: int = 0
    columns: int = 0

    def check(self) -> None:
        """Raise `Invalid` for what no container could run."""
        exec_rules.check_program(self.command, self.env, self.user, self.working_dir)
        exec_rules.check_size(self.rows, self.columns)


def process(document: Mapping[str, Any], program: Program, user: Mapping[str, Any] | None) -> dict[str, Any]:
    """The process document of `program` in the container whose specification is `document`.

    Capabilities, limits, no-new-privileges and so on are the container's own, so that the program may do no more than
    the container's. `user` is None for the container's own.
    """
    made = copy.deepcopy(dict(document["process"]))
    made["terminal"] = program.tty
    made["args"] = list(program.command)
    made["env"] = _environment(made.get("env", ()), program)
    made["cwd"] = program.working_dir or made.get("cwd", "/")
    if user is not None:
        made["user"] = dict(user)
    made.pop("consoleSize", None)
    if program.tty and program.rows and program.columns:
        made["consoleSize"] = {"height": program.rows, "width": program.columns}
    return made


def _environment(own: Any, program: Program) -> list[str]:
    merged = {entry.partition("=")[0]: entry for entry in own}
    if program.tty:
        merged.setdefault("TERM", TERM)
    merged.update({entry.partition("=")[0]: entry for entry in program.env})
    return list(merged.values())
