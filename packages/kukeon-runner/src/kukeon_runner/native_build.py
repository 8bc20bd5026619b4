"""Build the native programs with the host's C compiler: used by the wheel's build hook and, on demand, by `native`.

Standard library only and nothing of ours: the build hook loads this file alone, before the package exists.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

PROGRAMS = {"kukepause": "pause.c", "kukelog": "logger.c"}
HEADERS = ("sys.h", "text.h", "logfile.h")
SOURCES = Path(__file__).resolve().parent / "native"
STANDALONE_MACHINES = ("x86_64", "aarch64")
"""Machines whose system calls `sys.h` makes itself; elsewhere the programs are linked with the static C library."""

_WARNINGS = ("-std=gnu11", "-Wall", "-Wextra", "-Werror")
_STANDALONE = (
    *("-Os", "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie"),
    # Nothing here unwinds or checks stacks: that would need the C library.
    *("-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fcf-protection=none"),
    # The compiler must not turn our memcpy into a call of memcpy.
    "-fno-tree-loop-distribute-patterns",
    "-Wl,--build-id=none,-z,noseparate-code,-z,norelro,-z,noexecstack",
    "-s",
)
_WITH_LIBC = ("-O2", "-static", "-DKUKEON_LIBC", "-s")
_TIMEOUT_S = 120


class BuildFailed(Exception):
    """There is no compiler, or it refused; the text says which and why."""


def machine() -> str:
    """The processor, as the kernel names it."""
    return platform.machine()


def standalone(target: str) -> bool:
    """Tell whether a build for `target` needs no C library."""
    return target in STANDALONE_MACHINES


def compiler() -> list[str]:
    """Return $CC as a command, or the first of cc, gcc, clang.  Raises BuildFailed when there is none."""
    if chosen := shlex.split(os.environ.get("CC", "")):
        return chosen
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    raise BuildFailed("no C compiler: neither $CC nor cc, gcc or clang")


def build(program: str, target: Path) -> None:
    """Compile `program` to the file `target`, replacing it atomically: whoever runs the old one keeps it."""
    source = SOURCES / PROGRAMS[program]
    if not source.exists():
        raise BuildFailed(f"its source {source} is not here")
    command = [*compiler(), *_WARNINGS, *_flags(), "-o"]
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{program}.")
    os.close(handle)
    try:
        _compile([*command, name, str(source)])
        # Everybody may run it: inside a cell it is root without capabilities that would override the mode.
        Path(name).chmod(0o755)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def stale(program: str, target: Path) -> bool:
    """Tell whether `target` is missing, or older than a source it is made of."""
    if not target.exists():
        return True
    sources = [SOURCES / name for name in (PROGRAMS[program], *HEADERS)]
    built = target.stat().st_mtime_ns
    return any(source.exists() and source.stat().st_mtime_ns > built for source in sources)


def _flags() -> tuple[str, ...]:
    if not standalone(machine()):
        return _WITH_LIBC
    if machine() == "aarch64":
        return tuple(flag for flag in _STANDALONE if not flag.startswith("-fcf-protection"))
    return _STANDALONE


def _compile(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildFailed(f"{shlex.join(command)}: {error}") from error
    if done.returncode != 0:
        raise BuildFailed(f"{shlex.join(command)}: {done.stderr.strip() or f'status {done.returncode}'}")
