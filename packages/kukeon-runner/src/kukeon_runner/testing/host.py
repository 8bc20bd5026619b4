"""A host in memory that behaves like one: it refuses what a real one refuses, and can be told to fail at any step."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network

from kukeon_api import errors, labels, model
from kukeon_runner import observed, steps
from kukeon_runner.firewall import BridgeNet
from kukeon_runner.wanted import STOP_SIGNAL_LABEL

START = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


class Faults:
    """Counts what is done to the host, and fails once at the number asked for."""

    def __init__(self) -> None:
        self.done = 0
        self.fail_at: int | None = None
        self.log: list[str] = []

    def act(self, what: str) -> None:
        self.log.append(what)
        self.done += 1
        if self.done == self.fail_at:
            raise errors.HostError(f"cannot {what}: told to fail")


@dataclass
class FakeKernel:
    faults: Faults
    cgroup_mode: str = "v2"
    nofile: int = 1024
    cgroups: set[str] = field(default_factory=set)
    pins: dict[str, str] = field(default_factory=dict)
    shms: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)

    async def make_cgroup(self, path: str) -> bool:
        self.faults.act(f"make cgroup {path}")
        made = path not in self.cgroups
        parts = path.split("/")
        self.cgroups |= {"/".join(parts[:end]) for end in range(2, len(parts) + 1)}
        return made

    async def cgroup_exists(self, path: str) -> bool:
        return path in self.cgroups

    async def remove_cgroup(self, path: str) -> None:
        self.faults.act(f"remove cgroup {path}")
        self.cgroups = {each for each in self.cgroups if each != path and not each.startswith(f"{path}/")}

    async def controllers(self, path: str) -> tuple[str, ...]:
        return ("cpu", "io", "memory", "pids") if path in self.cgroups else ()

    async def pin_namespaces(self, directory: str, hostname: str) -> None:
        self.faults.act(f"pin {directory}")
        if directory in self.pins:
            raise errors.HostError(f"cannot pin {directory!r}: there is a pin already")
        self.pins[directory] = hostname

    async def unpin_namespaces(self, directory: str) -> None:
        self.faults.act(f"unpin {directory}")
        self.pins.pop(directory, None)

    async def pinned(self, directory: str) -> bool:
        return directory in self.pins

    async def mount_shm(self, path: str) -> None:
        self.faults.act(f"mount {path}")
        self.shms.add(path)

    async def unmount_shm(self, path: str) -> None:
        self.faults.act(f"unmount {path}")
        self.shms.discard(path)

    async def mounted(self, path: str) -> bool:
        return path in self.shms

    async def exists(self, path: str) -> bool:
        return path in self.files

    async def read_file(self, path: str) -> str:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    async def write_file(self, path: str, text: str) -> None:
        self.faults.act(f"write {path}")
        self.files[path] = text

    async def resolv_conf(self) -> str:
        return "nameserver 192.0.2.53\n"


@dataclass
class FakeNetwork:
    faults: Faults
    kernel: FakeKernel
    attachments: dict[str, observed.Address] = field(default_factory=dict)
    residue: set[str] = field(default_factory=set)
    bridges: dict[str, IPv4Network] = field(default_factory=dict)
    firewall: tuple[BridgeNet, ...] = ()

    async def attach(self, conflist: str, container_id: str, netns: str) -> observed.Address:
        self.faults.act(f"attach {container_id}")
        if netns.removesuffix("/net") not in self.kernel.pins:
            raise errors.CNIPluginFailed(f"cannot attach {container_id!r}: no network namespace {netns!r}")
        if container_id in self.attachments or container_id in self.residue:
            raise errors.CNIPluginFailed(f"cannot attach {container_id!r}: duplicate allocation")
        address = observed.Address(f"10.88.0.{len(self.attachments) + 2}/24", "10.88.0.1")
        self.attachments[container_id] = address
        return address

    async def detach(self, conflist: str, container_id: str, netns: str) -> None:
        self.faults.act(f"detach {container_id}")
        self.attachments.pop(container_id, None)
        self.residue.discard(container_id)

    async def attachment(self, conflist: str, container_id: str) -> tuple[observed.Address | None, bool]:
        address = self.attachments.get(container_id)
        return address, address is not None or container_id in self.residue

    async def routed(self) -> Sequence[IPv4Network]:
        return tuple(self.bridges.values())

    async def bridge_exists(self, bridge: str) -> bool:
        return bridge in self.bridges

    async def make_bridge(self, bridge: BridgeNet) -> None:
        self.faults.act(f"make bridge {bridge.bridge}")
        self.bridges[bridge.bridge] = bridge.subnet

    async def remove(self, conflist: str, bridge: str) -> None:
        self.faults.act(f"remove network {conflist}")
        self.bridges.pop(bridge, None)
        self.kernel.files.pop(conflist, None)

    async def apply_firewall(self, bridges: Sequence[BridgeNet]) -> None:
        self.faults.act("apply the firewall")
        self.firewall = tuple(bridges)


@dataclass
class FakeContainers:
    faults: Faults
    kernel: FakeKernel
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    records: dict[tuple[str, str], steps.CreateContainer] = field(default_factory=dict)
    tasks: dict[tuple[str, str], observed.Task] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Ids of containers whose program cannot be started."""
    pids: Iterator[int] = field(default_factory=lambda: iter(range(100, 1_000_000)))

    async def namespace_exists(self, namespace: str) -> bool:
        return namespace in self.namespaces

    async def create_namespace(self, namespace: str, labels: Mapping[str, str]) -> bool:
        self.faults.act(f"create namespace {namespace}")
        made = namespace not in self.namespaces
        self.namespaces.setdefault(namespace, dict(labels))
        return made

    async def delete_namespace(self, namespace: str) -> None:
        self.faults.act(f"delete namespace {namespace}")
        self.namespaces.pop(namespace, None)
        for key in [key for key in self.records if key[0] == namespace]:
            del self.records[key]
            self.tasks.pop(key, None)

    async def create(self, step: steps.CreateContainer) -> None:
        self.faults.act(f"create {step.id}")
        if (step.namespace, step.id) in self.records:
            raise errors.ContainerExists(f"cannot create container {step.id!r}: already exists")
        self.records[step.namespace, step.id] = step

    async def delete(self, namespace: str, id: str) -> None:
        self.faults.act(f"delete {id}")
        if self._status(namespace, id) not in (None, observed.TaskStatus.STOPPED):
            raise errors.Conflict(f"cannot delete container {id!r}: its task runs")
        self.records.pop((namespace, id), None)

    async def find(self, namespace: str, id: str) -> observed.Container | None:
        step = self.records.get((namespace, id))
        if step is None:
            return None
        own = dict(step.labels)
        return observed.Container(
            recorded=True,
            spec_hash=own[labels.CONTAINERD_SPEC_HASH],
            stop_signal=own.get(STOP_SIGNAL_LABEL, ""),
            snapshot=bool(step.image),
            task=self.tasks.get((namespace, id)),
        )

    async def ids(self, namespace: str, labels: Mapping[str, str]) -> Sequence[str]:
        return [
            id
            for (within, id), step in self.records.items()
            if within == namespace and labels.items() <= dict(step.labels).items()
        ]

    async def create_task(self, step: steps.CreateTask) -> int:
        self.faults.act(f"create task {step.id}")
        key = (step.namespace, step.id)
        if key not in self.records:
            raise errors.ContainerNotFound(f"cannot create task {step.id!r}: no container")
        if key in self.tasks:
            raise errors.AlreadyExists(f"cannot create task {step.id!r}: already exists")
        self.tasks[key] = observed.Task(observed.TaskStatus.CREATED, next(self.pids))
        return self.tasks[key].pid

    async def start_task(self, namespace: str, id: str) -> None:
        self.faults.act(f"start task {id}")
        if id in self.broken:
            raise errors.HostError(f"cannot start task {id!r}: no such file or directory")
        self.tasks[namespace, id] = replace(self.tasks[namespace, id], status=observed.TaskStatus.RUNNING)

    async def stop_task(self, namespace: str, id: str, signal: str, grace_s: float) -> observed.Exit | None:
        self.faults.act(f"stop task {id} {signal}")
        if self._status(namespace, id) in (None, observed.TaskStatus.STOPPED):
            return None
        self.end(namespace, id, 137 if signal == "SIGKILL" else 0)
        return self.tasks[namespace, id].exit

    async def delete_task(self, namespace: str, id: str) -> observed.Exit | None:
        self.faults.act(f"delete task {id}")
        if self._status(namespace, id) is observed.TaskStatus.RUNNING:
            raise errors.Conflict(f"cannot delete task {id!r}: it runs")
        task = self.tasks.pop((namespace, id), None)
        return task.exit if task else None

    async def task_events(self) -> AsyncIterator[tuple[str, str]]:
        return
        yield  # pragma: no cover

    def end(self, namespace: str, id: str, code: int) -> None:
        """Let the program of a container end by itself."""
        task = self.tasks[namespace, id]
        ended = observed.Exit(code, START)
        self.tasks[namespace, id] = replace(task, status=observed.TaskStatus.STOPPED, exit=ended)

    def _status(self, namespace: str, id: str) -> observed.TaskStatus | None:
        task = self.tasks.get((namespace, id))
        return task.status if task else None


@dataclass
class FakeImages:
    present: dict[tuple[str, str], observed.Image] = field(default_factory=dict)

    async def find(self, namespace: str, ref: str) -> observed.Image:
        if (namespace, ref) not in self.present:
            raise errors.ImageNotFound(f"image {ref!r} not found", hint="load it with `kuke image load FILE`")
        return self.present[namespace, ref]

    async def list(self, namespace: str) -> Sequence[model.ImageInfo]:
        return [_info(image) for (within, _), image in sorted(self.present.items()) if within == namespace]

    async def info(self, namespace: str, ref: str) -> model.ImageInfo:
        return _info(await self.find(namespace, ref))

    async def delete(self, namespace: str, ref: str) -> None:
        await self.find(namespace, ref)
        del self.present[namespace, ref]

    async def load(self, namespace: str, chunks: AsyncIterator[bytes]) -> Sequence[str]:
        """Take the bytes for the name of an image without layers."""
        name = b"".join([chunk async for chunk in chunks]).decode()
        self.add(namespace, name)
        return [name]

    def add(self, namespace: str, name: str, **config: object) -> None:
        """Have an image, with the fields of `observed.Image` that matter to a test."""
        plain = observed.Image(name, "sha256:" + "0" * 64, "sha256:" + "1" * 64, cmd=("true",))
        self.present[namespace, name] = replace(plain, **config)  # type: ignore[arg-type]


def _info(image: observed.Image) -> model.ImageInfo:
    return model.ImageInfo(name=image.name, size=-1, created_at=START, digest=image.digest)


class FakeHost:
    """All doors of a host that exists in memory only."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.kernel = FakeKernel(self.faults)
        self.network = FakeNetwork(self.faults, self.kernel)
        self.containers = FakeContainers(self.faults, self.kernel)
        self.images = FakeImages()

    def traces(self) -> dict[str, object]:
        """Everything that a cell leaves on a host; equal before and after means that nothing leaked."""
        return {
            "cgroups": set(self.kernel.cgroups),
            "pins": dict(self.kernel.pins),
            "shms": set(self.kernel.shms),
            "attachments": dict(self.network.attachments),
            "residue": set(self.network.residue),
            "records": set(self.containers.records),
            "tasks": {id: task.status for id, task in self.containers.tasks.items()},
        }

    @contextmanager
    def failing_at(self, number: int) -> Iterator[None]:
        """Let the `number`-th thing done from here on fail, once."""
        self.faults.done, self.faults.fail_at = 0, number
        try:
            yield
        finally:
            self.faults.fail_at = None
