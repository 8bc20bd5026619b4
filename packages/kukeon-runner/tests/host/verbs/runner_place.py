"""An instance that a `Runner` alone works on, with documents to give it; containerd's own client is the witness."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import model
from kukeon_runner import Options, instance
from kukeon_runner.layout import Layout

if TYPE_CHECKING:
    from kukeon_runner import Runner
    from kukeon_runner.testing.containerd import PrivateContainerd

PATIENCE_S = 60.0
IMAGE = "docker.io/library/busybox:latest"
SERVES = ("-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done")
LABELS = {"tier": "front"}

CELL = model.Ref("lab", "net", "tier", "web")
ROOT, MAIN, SIDE = "net_tier_web_root", "net_tier_web_main", "net_tier_web_side"


def metadata(name: str, labels: dict[str, str] | None = None, generation: int = 0) -> model.Metadata:
    return model.Metadata(name=name, labels=labels or {}, generation=generation)


def realm(labels: dict[str, str] | None = None, generation: int = 0, **spec: object) -> model.RealmDoc:
    return model.RealmDoc(metadata=metadata("lab", labels, generation), spec=model.RealmSpec(**spec))


def space(labels: dict[str, str] | None = None, **spec: object) -> model.SpaceDoc:
    return model.SpaceDoc(metadata=metadata("net", labels), spec=model.SpaceSpec(realm_id="lab", **spec))


def stack(labels: dict[str, str] | None = None) -> model.StackDoc:
    return model.StackDoc(metadata=metadata("tier", labels), spec=model.StackSpec(realm_id="lab", space_id="net"))


def container(id: str = "main", args: tuple[str, ...] = SERVES, **more: object) -> model.ContainerSpec:
    return model.ContainerSpec(id=id, image=IMAGE, command="/bin/sh", args=args, **more)


def cell(*containers: model.ContainerSpec, labels: dict[str, str] | None = None) -> model.CellDoc:
    spec = model.CellSpec(realm_id="lab", space_id="net", stack_id="tier", containers=containers or (container(),))
    return model.CellDoc(metadata=metadata("web", labels), spec=spec)


def there(*parts: str | Path) -> bool:
    return Path(*parts).exists()


def cgroups(path: str) -> list[Path]:
    """The directories of a cgroup, in each hierarchy that this host has, innermost first."""
    return sorted(Path("/sys/fs/cgroup").glob(f"**{path}"), reverse=True)


def alive(pid: int) -> bool:
    return there("/proc", str(pid))


def remove_cgroup(path: str) -> None:
    for each in cgroups(path):
        each.rmdir()


@dataclasses.dataclass
class Place:
    """An instance on the private containerd, and what it has there, seen without its help."""

    runner: Runner
    options: Options
    containerd: PrivateContainerd

    @property
    def layout(self) -> Layout:
        found = instance.find_instance(self.options.run_path)
        assert found is not None
        return Layout(found)

    @property
    def namespace(self) -> str:
        return self.layout.namespace("lab")

    def namespaces(self) -> set[str]:
        return set(self.containerd.ctr("namespaces", "ls", "-q").split())

    def records(self) -> set[str]:
        return set(self.containerd.ctr("containers", "ls", "-q", namespace=self.namespace).split())

    def tasks(self) -> dict[str, int]:
        """The process of each running task."""
        rows = [line.split() for line in self.containerd.ctr("tasks", "ls", namespace=self.namespace).splitlines()[1:]]
        return {id: int(pid) for id, pid, status in rows if status == "RUNNING"}

    def stored(self, ref: model.Ref) -> Path:
        return Path(self.options.run_path, "data", *ref.parts, "metadata.json")

    def cgroup(self, ref: model.Ref) -> bool:
        return bool(cgroups(self.layout.cgroup(ref)))

    async def ended(self, id: str) -> None:
        """Wait until containerd knows that a task has ended."""
        async with asyncio.timeout(PATIENCE_S):
            while id in self.tasks():  # noqa: ASYNC110 - what other processes do
                await asyncio.sleep(0.02)
