"""What makes the wish to run a program in a container, or to size a terminal, right."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SIZE = 65535
"""Rows and columns are 16 bits wide: struct winsize, ioctl_tty(2)."""


def check_program(command: Sequence[str], env: Sequence[str], user: str, working_dir: str) -> None:
    """Raise `Invalid` for what no container could run."""
    if not command or not command[0]:
        raise errors.Invalid("cannot run nothing: the command is empty", hint="say which program to run")
    for text in (*command, *env, user, working_dir):
        if "\0" in text:
            raise errors.Invalid(f"cannot run {command[0]!r}: {text[:64]!r} has a NUL in it")
    for entry in env:
        if entry.find("=") < 1:
            raise errors.Invalid(
                f"cannot run {command[0]!r}: {entry[:64]!r} is no variable", hint="write it as KEY=VALUE"
            )
    if working_dir and not working_dir.startswith("/"):
        raise errors.Invalid(
            f"cannot run {command[0]!r} in {working_dir!r}: the directory is not absolute", hint="begin it with a '/'"
        )


def check_size(rows: int, columns: int) -> None:
    """Raise `Invalid` when no terminal can have that size; zeros leave it as it is."""
    if not (0 <= rows <= MAX_SIZE and 0 <= columns <= MAX_SIZE):
        raise errors.Invalid(f"cannot make a terminal of {rows} rows and {columns} columns: at most {MAX_SIZE} of each")


def check_position(position: int) -> None:
    """Raise `Invalid` when no byte of a terminal's output can have that number."""
    if not 0 <= position < 1 << 63:
        raise errors.Invalid(f"cannot begin at byte {position} of a terminal's output")


def check_signal(number: int) -> None:
    """Raise `Invalid` when there is no signal `number`."""
    if not 0 < number < signal.NSIG:
        raise errors.Invalid(f"cannot send signal {number}: signals are 1 to {signal.NSIG - 1}")
