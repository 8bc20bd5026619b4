"""Programs in containers beside their own, as the host sees them, and what is left of them."""

import json
import secrets
from pathlib import Path

from kukeon_api import model
from kuketest.instance import Instance

CELL = "shell"


def container(name: str = "main", cell: str = CELL) -> model.ContainerDoc:
    spec = model.ContainerSpec(id=name, realm_id="default", space_id="default", stack_id="default", cell_id=cell)
    return model.ContainerDoc(metadata=model.Metadata(name=name), spec=spec)


def runtime(instance: Instance) -> Path:
    record = json.loads((instance.run_path / ".kukeon-instance.json").read_text())
    return Path("/run/kukeon") / record["id"]


def left(instance: Instance) -> list[str]:
    """What is there of programs: their FIFOs."""
    directory = runtime(instance) / "exec"
    return [path.name for path in directory.iterdir()] if directory.exists() else []


def processes(marker: str) -> list[int]:
    """Processes, in whatever container, that have `marker` as a word of their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if marker.encode() in words:
            found.append(int(path.name))
    return found


def sleeping() -> tuple[str, str]:
    """A number of seconds that nobody else sleeps, and a script whose shell and child can be told by it."""
    seconds = str(100_000 + secrets.randbelow(900_000))
    return seconds, f"sleep {seconds}; true"
