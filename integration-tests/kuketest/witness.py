"""What there is of one resource, seen without kukeon's help: files, cgroups, containerd's own client, the kernel."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuketest import traces
from kuketest.waiting import PATIENCE

if TYPE_CHECKING:
    from kuketest.instance import Instance


def document(instance: "Instance", *place: str) -> Path:
    """Where the document of the resource at `place` (realm, space, ...) is stored."""
    return instance.run_path.joinpath("data", *place, "metadata.json")


def cgroups(instance: "Instance", *place: str) -> list[Path]:
    """The resource's cgroup in each hierarchy in which the instance has any."""
    roots = [traces.CGROUPS, *(path for path in traces.CGROUPS.iterdir() if path.is_dir())]
    trees = [root / instance.name for root in roots if (root / instance.name).is_dir()]
    found = [tree.joinpath(*place) for tree in trees if tree.joinpath(*place).is_dir()]
    assert not found or len(found) == len(trees), f"{'/'.join(place)} has a cgroup in {found} alone, not in all {trees}"
    return found


def namespaces(instance: "Instance") -> set[str]:
    return set(instance.ctr("namespaces", "ls", "-q").split())


def namespace(instance: "Instance", realm: str) -> str:
    return f"{realm}.{instance.suffix}"


def records(instance: "Instance", realm: str) -> set[str]:
    """Ids of the containers that containerd has a record of."""
    return set(instance.ctr("containers", "ls", "-q", realm=realm).split())


def tasks(instance: "Instance", realm: str) -> dict[str, tuple[int, str]]:
    """Container id -> process id and status of its task."""
    rows = [line.split() for line in instance.ctr("tasks", "ls", realm=realm).splitlines()[1:]]
    return {id: (int(pid), status) for id, pid, status in rows}


def running(instance: "Instance", realm: str) -> set[str]:
    return {id for id, (_, status) in tasks(instance, realm).items() if status == "RUNNING"}


def conflist(instance: "Instance", realm: str, space: str) -> Path:
    return instance.run_path / "data" / realm / space / "network.conflist"


def bridge(instance: "Instance", realm: str, space: str) -> str:
    """The bridge that the space's network list names."""
    plugins = json.loads(conflist(instance, realm, space).read_text())["plugins"]
    return str(next(plugin["bridge"] for plugin in plugins if "bridge" in plugin))


def members(cgroup: Path) -> set[int]:
    """The processes directly in a cgroup."""
    return {int(line) for line in (cgroup / "cgroup.procs").read_text().split()}


def listed(instance: "Instance", kind: str, *scope: str) -> dict[str, Any]:
    """Name -> document, as `kuke get <kind>s -o json` lists them."""
    shown = instance.kuke("get", f"{kind}s", *scope, "-o", "json").json()
    return {name_of(each): each for each in shown}


def name_of(shown: Any) -> str:
    """The name of a listed document; containers are listed by their specs."""
    return str(shown["metadata"]["name"] if "metadata" in shown else shown["id"])


def containerd_namespaces(socket: str) -> set[str]:
    """The namespaces of any containerd."""
    command = ["ctr", "--address", socket, "namespaces", "ls", "-q"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60 * PATIENCE)
    return set(ended.stdout.split())


@contextlib.contextmanager
def command_lines() -> Iterator[set[str]]:
    """Command lines of all programs on the host that are seen while the block runs, for whoever reads them after it."""
    seen: set[str] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.005):
            for directory in Path("/proc").iterdir():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    if directory.name.isdigit():
                        seen.add((directory / "cmdline").read_bytes().decode(errors="replace"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
