"""The systemd unit of kukeond, with the command line of this installation in it."""

from __future__ import annotations

import re
import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "kukeond.service"


def text(arguments: Sequence[str]) -> str:
    """Return the unit file that runs this very kukeond as `kukeond serve` with `arguments`."""
    template = resources.files("kukeon_daemon").joinpath("data", NAME).read_text("utf-8")
    line = "ExecStart=" + " ".join(quoted(word) for word in [*program(), "serve", *arguments])
    return re.sub(r"^ExecStart=.*$", lambda _: line, template, count=1, flags=re.MULTILINE)


def program() -> list[str]:
    """Return the command that runs kukeond: the script beside the interpreter, else the interpreter with the module."""
    beside = shutil.which("kukeond", path=str(Path(sys.executable).parent))
    return [beside] if beside else [sys.executable, "-P", "-m", "kukeon_daemon"]


def quoted(word: str) -> str:
    """Return `word` as one argument of an Exec line: systemd.service(5), "Command lines"."""
    # % begins a specifier and $ a variable, both are doubled; the rest is C-like quoting.
    escaped = word.replace("%", "%%").replace("$", "$$").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return escaped if re.fullmatch(r"[A-Za-z0-9_./:@%$=+,-]+", word) else f'"{escaped}"'
