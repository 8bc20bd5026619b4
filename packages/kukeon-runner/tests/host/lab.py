"""Containers that ask a probe what they see from inside."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import manifest, model
from kukeon_runner.host.abilities import bounding_set
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.testing.places import IMAGE, Place, until

if TYPE_CHECKING:
    from kukeon_runner.controller import Controller

SOURCE = Path(__file__).with_name("probe.c")
EMPTY = -1  # what the probe says of a file or directory that can be read and has nothing in it
UNIFIED = Cgroups.detect().mode == "v2"

Report = dict[str, Any]


@dataclasses.dataclass
class Lab:
    """An instance under test, with a directory that its containers share with us."""

    place: Place
    controller: Controller
    shared: Path
    count: int = 0

    def spec(self, *questions: str, report: str = "report", **fields: Any) -> model.ContainerSpec:
        """A container that reports and then stays."""
        command = f"/shared/probe /shared/{report} {' '.join(questions)}; trap 'exit 0' TERM; sleep 1000 & wait $!"
        shared = model.VolumeMount(source=str(self.shared), target="/shared")
        fields = {"command": "/bin/sh", "args": ("-c", command), **fields}
        fields["volumes"] = (shared, *fields.get("volumes", ()))
        return model.ContainerSpec(**{"id": "main", "image": IMAGE} | fields)

    def cell(self, *containers: model.ContainerSpec, **fields: Any) -> model.CellDoc:
        self.count += 1
        place = model.CellSpec(
            realm_id="default", space_id="default", stack_id="default", containers=containers, **fields
        )
        return model.CellDoc(metadata=model.Metadata(name=f"lab{self.count}"), spec=place)

    async def report(self, name: str = "report") -> Report:
        path = self.shared / name
        await until(path.exists)
        found: Report = json.loads(path.read_text())
        path.unlink()
        return found

    async def container(self, doc: model.CellDoc) -> model.ContainerStatus:
        return (await self.controller.get_cell(doc)).cell.status.containers[0]

    async def see(self, *questions: str, **fields: Any) -> Report:
        """What a container made with `fields` sees."""
        doc = self.cell(self.spec(*questions, **fields))
        await self.controller.create_cell(doc)
        try:
            return await self.report()
        finally:
            await self.controller.delete_cell(doc)


def field(report: Report, name: str) -> str:
    """A line of /proc/self/status, proc(5)."""
    return next(line.split(":", 1)[1].strip() for line in report["status"] if line.startswith(f"{name}:"))


def caps(report: Report, kind: str) -> set[str]:
    return set(bounding_set(f"CapBnd: {field(report, kind)}"))


def mount(report: Report, target: str) -> tuple[set[str], str, set[str]]:
    """Options, type and super options of what is mounted at `target` last, proc(5): mountinfo."""
    line = next(each for each in reversed(report["mounts"]) if each.split()[4] == target)
    left, _, right = line.partition(" - ")
    kind, _, more = right.split(" ", 2)
    return set(left.split()[5].split(",")), kind, set(more.split(","))


def ours(kind: str) -> str:
    return str(Path(f"/proc/self/ns/{kind}").readlink())


READ = ("/proc/kcore", "/proc/timer_list", "/sys/firmware")
# A new user namespace brings all capabilities in it, so what asks for namespaces comes last.
CALLS = ("clone3", "keyctl", "bpf", "io_uring_setup", "mount", "chroot", "socket-alg", "socket-raw", "socket-inet",
         "mknod", "unshare-net", "unshare-user")  # fmt: skip
QUESTIONS = (
    *(f"read:{path}" for path in READ),
    *("write:/proc/sys/kernel/hostname", "write:/proc/sys/vm/swappiness", "write:/", "write:/sys/kernel"),
    *(f"call:{name}" for name in CALLS),
    *("kind:/dev/null", "kind:/dev/kmsg", "kind:/dev/fuse"),
)


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _names(directory: Path) -> set[str]:
    """What is in a directory; nothing when it is not there."""
    return {path.name for path in directory.iterdir()} if directory.is_dir() else set()


def _nodes(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.is_char_device() or path.is_block_device()}


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def _yaml(*docs: model.Doc) -> bytes:
    return manifest.dump(docs).encode()


def with_container(doc: model.CellDoc, container: model.ContainerSpec) -> model.CellDoc:
    return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, containers=(container,)))
