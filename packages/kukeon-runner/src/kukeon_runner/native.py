"""Where the native programs are: kukepause (root process of a cell) and kukelog (writer of container logs).

A wheel carries them ready-made.  In a source tree (an editable install) they are compiled when first asked for, and
again when a source is newer, into `_native/<machine>/`; two processes that do so at once each put a whole file there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

from kukeon_api import errors
from kukeon_runner import native_build

if TYPE_CHECKING:
    from kukeon_runner.options import LogLimits

    Program = Literal["kukepause", "kukelog"]

_BUILT = Path(__file__).resolve().parent / "_native"


def path(program: Program) -> Path:
    """Return the absolute path of an executable `program` for this machine, compiling it where that is possible.

    Raises HostError when it is missing or out of date and cannot be compiled.
    """
    target = _BUILT / native_build.machine() / program
    if native_build.stale(program, target):
        _build(program, target)
    if not os.access(target, os.X_OK):
        raise errors.HostError(
            f"cannot use {str(target)!r}: it is not executable", hint="reinstall the package kukeon-runner"
        )
    return target


def logger(log: str, limits: LogLimits) -> str:
    """The URI that has containerd's shim write output to the file `log` through kukelog. Raises HostError."""
    query = urlencode({"path": log, "max_size": limits.max_bytes, "max_files": limits.max_files})
    return f"binary://{path('kukelog')}?{query}"


def _build(program: str, target: Path) -> None:
    try:
        native_build.build(program, target)
    except (native_build.BuildFailed, OSError) as error:
        raise errors.HostError(
            f"cannot provide the program {program} for {native_build.machine()}: {error}",
            hint="install a wheel of kukeon-runner for this machine, or a C compiler (apt install gcc libc6-dev)",
        ) from error
