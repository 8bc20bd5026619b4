"""The OCI process document of a program that runs in a container beside its own. Pure."""

from __future__ import annotations

import copy
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SIZE = 65535
"""Rows and columns are 16 bits wide: struct winsize, ioctl_tty(2)."""

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
        if not self.command or not self.command[0]:
            raise errors.Invalid("cannot run nothing: the command is empty", hint="say which program to run")
        for text in (*self.command, *self.env, self.user, self.working_dir):
            if "\0" in text:
                raise errors.Invalid(f"cannot run {self.command[0]!r}: {text[:64]!r} has a NUL in it")
        for entry in self.env:
            if entry.find("=") < 1:
                raise errors.Invalid(
                    f"cannot run {self.command[0]!r}: {entry[:64]!r} is no variable", hint="write it as KEY=VALUE"
                )
        if self.working_dir and not self.working_dir.startswith("/"):
            raise errors.Invalid(
                f"cannot run {self.command[0]!r} in {self.working_dir!r}: the directory is not absolute",
                hint="begin it with a '/'",
            )
        check_size(self.rows, self.columns)


def check_size(rows: int, columns: int) -> None:
    """Raise `Invalid` when no terminal can have that size; zeros leave it as it is."""
    if not (0 <= rows <= MAX_SIZE and 0 <= columns <= MAX_SIZE):
        raise errors.Invalid(f"cannot make a terminal of {rows} rows and {columns} columns: at most {MAX_SIZE} of each")


def check_signal(number: int) -> None:
    """Raise `Invalid` when there is no signal `number`."""
    if not 0 < number < signal.NSIG:
        raise errors.Invalid(f"cannot send signal {number}: signals are 1 to {signal.NSIG - 1}")


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
