"""containerd's namespaces, records and tasks in memory."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, labels
from kukeon_runner import observed, steps
from kukeon_runner.observed import Happening, TaskStatus
from kukeon_runner.testing import programs
from kukeon_runner.testing.programs import FakeExecution
from kukeon_runner.wanted import IMAGE_DIGEST_LABEL, STOP_SIGNAL_LABEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

    from kukeon_runner import process_spec
    from kukeon_runner.testing.faults import Faults
    from kukeon_runner.testing.images import FakeImages
    from kukeon_runner.testing.kernel import FakeKernel

START = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
"""When every program ends, unless told otherwise."""

Key = tuple[str, str]


@dataclass(frozen=True)
class FakeProgram:
    """What a command line does. Unless told otherwise it runs until a signal and exits with 0, but for SIGKILL."""

    exits: int | None = None
    """The code it exits with at once."""
    stubborn: bool = False
    """Whether it ignores all signals but SIGKILL."""
    missing: bool = False


@dataclass
class FakeContainers:
    faults: Faults
    kernel: FakeKernel
    images: FakeImages
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    """Those of each namespace there is."""
    records: dict[Key, steps.CreateContainer] = field(default_factory=dict)
    snapshots: set[Key] = field(default_factory=set)
    tasks: dict[Key, observed.Task] = field(default_factory=dict)
    programs: dict[tuple[str, ...], FakeProgram] = field(default_factory=dict)
    """By command line; all others just run."""
    broken: set[str] = field(default_factory=set)
    """Ids of containers whose program is missing, whatever their command line."""
    pids: Iterator[int] = field(default_factory=lambda: iter(range(100, 1_000_000)))
    now: Callable[[], dt.datetime] = lambda: START
    """When what happens now happens."""
    executions: list[FakeExecution] = field(default_factory=list)
    """Programs that were started beside containers' own."""
    _followers: set[asyncio.Queue[observed.TaskEvent]] = field(default_factory=set)

    async def close(self) -> None:
        pass

    async def namespaces(self) -> Mapping[str, Mapping[str, str]]:
        return self.labels

    async def version(self) -> str:
        return "1.6.20"

    async def snapshotter(self) -> tuple[str, str]:
        return "overlayfs", "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs"

    async def namespace_exists(self, namespace: str) -> bool:
        return namespace in self.labels

    async def create_namespace(self, namespace: str, labels: Mapping[str, str]) -> bool:
        async with self.faults.act(f"create namespace {namespace}"):
            made = namespace not in self.labels
            self.labels.setdefault(namespace, dict(labels))
        return made

    async def delete_namespace(self, namespace: str) -> None:
        async with self.faults.act(f"delete namespace {namespace}"):
            self.labels.pop(namespace, None)
            self.images.present = {key: each for key, each in self.images.present.items() if key[0] != namespace}
            self.snapshots = {key for key in self.snapshots if key[0] != namespace}
            for key in [key for key in self.records if key[0] == namespace]:
                del self.records[key]
                self.tasks.pop(key, None)

    async def create(self, step: steps.CreateContainer) -> None:
        key = (step.namespace, step.id)
        async with self.faults.act(f"create {step.id}"):
            if step.namespace not in self.labels:
                raise errors.NotFound(f"cannot create container {step.id!r}: namespace {step.namespace!r} not found")
            if key in self.records:
                raise errors.ContainerExists(f"cannot create container {step.id!r}: already exists")
            self.records[key] = step
            if step.image:
                await self.images.find(step.namespace, step.image)
                self.snapshots.add(key)

    async def owner(self, namespace: str, id: str) -> tuple[int, int]:
        if (namespace, id) not in self.records:
            raise errors.ContainerNotFound(f"cannot get container {id!r}: not found")
        return 0, 0

    async def renew(self, step: steps.RenewContainer) -> None:
        key = (step.namespace, step.id)
        async with self.faults.act(f"renew {step.id}"):
            if key not in self.records:
                raise errors.ContainerNotFound(f"cannot get container {step.id!r}: not found")
            self.records[key] = replace(self.records[key], spec=step.spec, labels=step.labels)

    async def fill_environment(self, namespace: str, id: str, values: Mapping[str, str]) -> None:
        key = (namespace, id)
        async with self.faults.act(f"fill environment of {id}"):
            if key not in self.records:
                raise errors.ContainerNotFound(f"cannot get container {id!r}: not found")
            document = self._document(key)
            others = [each for each in document["process"]["env"] if each.partition("=")[0] not in values]
            document["process"]["env"] = [*others, *(f"{name}={value}" for name, value in values.items())]
            self.records[key] = replace(self.records[key], spec=json.dumps(document))

    async def delete(self, namespace: str, id: str) -> None:
        async with self.faults.act(f"delete {id}"):
            if (namespace, id) in self.tasks:
                raise errors.Conflict(f"cannot delete container {id!r}: it has a task")
            self.records.pop((namespace, id), None)
            self.snapshots.discard((namespace, id))

    async def find(self, namespace: str, id: str) -> observed.Container | None:
        key = (namespace, id)
        step = self.records.get(key)
        if step is None:
            return observed.Container(recorded=False, snapshot=True) if key in self.snapshots else None
        own = dict(step.labels)
        return observed.Container(
            recorded=True,
            spec_hash=own.get(labels.CONTAINERD_SPEC_HASH, ""),
            stop_signal=own.get(STOP_SIGNAL_LABEL, ""),
            image_digest=own.get(IMAGE_DIGEST_LABEL, ""),
            snapshot=key in self.snapshots,
            task=self.tasks.get(key),
        )

    async def survey(self, namespace: str) -> Mapping[str, observed.Container]:
        ids = {id for within, id in {*self.records, *self.snapshots} if within == namespace}
        found = {id: await self.find(namespace, id) for id in ids}
        return {id: each for id, each in found.items() if each is not None}

    async def ids(self, namespace: str, labels: Mapping[str, str]) -> Sequence[str]:
        return [
            id
            for (within, id), step in self.records.items()
            if within == namespace and labels.items() <= dict(step.labels).items()
        ]

    async def create_task(self, step: steps.CreateTask) -> int:
        key = (step.namespace, step.id)
        async with self.faults.act(f"create task {step.id}"):
            if key not in self.records:
                raise errors.ContainerNotFound(f"cannot create task {step.id!r}: container not found")
            if key in self.tasks:
                raise errors.AlreadyExists(f"cannot create task {step.id!r}: already exists")
            self._check_place(key)
            if self._program(key).missing:
                program = self._document(key)["process"]["args"][0]
                name = step.id.rpartition("_")[2]
                raise errors.StartContainer(
                    f"cannot start container {name!r}: there is no program {program!r} in its image"
                )
            pid = next(self.pids)
            self.tasks[key] = observed.Task(TaskStatus.CREATED, pid, terminal=step.terminal is not None)
        return pid

    async def start_task(self, namespace: str, id: str) -> None:
        key = (namespace, id)
        async with self.faults.act(f"start task {id}"):
            if key not in self.tasks:
                raise errors.TaskNotFound(f"cannot start task {id!r}: not found")
            if self.tasks[key].status is not TaskStatus.CREATED:
                raise errors.Conflict(f"cannot start task {id!r}: it is {self.tasks[key].status}")
            self.tasks[key] = replace(self.tasks[key], status=TaskStatus.RUNNING)
            self._tell(key, Happening.STARTED)
            if (code := self._program(key).exits) is not None:
                self.end(namespace, id, code)

    async def stop_task(
        self, namespace: str, id: str, signal: str, grace_s: float, *, hang_up: bool = False
    ) -> observed.Exit | None:
        key = (namespace, id)
        async with self.faults.act(f"stop task {id} {signal}"):
            if key not in self.tasks or not self.tasks[key].status.alive:
                return None
            started = self.tasks[key].status is not TaskStatus.CREATED
            obeys = started and signal != "SIGKILL" and grace_s > 0 and not self._program(key).stubborn
            self.end(namespace, id, 0 if obeys else 137)
            return self.tasks[key].exit

    async def delete_task(self, namespace: str, id: str) -> observed.Exit | None:
        key = (namespace, id)
        async with self.faults.act(f"delete task {id}"):
            if key not in self.tasks:
                return None
            if self.tasks[key].status not in (TaskStatus.STOPPED, TaskStatus.CREATED):
                raise errors.Conflict(f"cannot delete task {id!r}: it runs")
            return self.tasks.pop(key).exit

    async def resize(self, namespace: str, id: str, rows: int, columns: int) -> None:
        if (namespace, id) not in self.tasks:
            raise errors.TaskNotFound(f"cannot resize the terminal of task {id!r}: not found")

    async def exec_start(self, namespace: str, id: str, wanted: process_spec.Program) -> FakeExecution:
        key = (namespace, id)
        async with self.faults.act(f"run {wanted.command[0]} in {id}"):
            if key not in self.tasks or self.tasks[key].status is not TaskStatus.RUNNING:
                raise errors.TaskNotRunning(f"cannot run {wanted.command[0]!r} in container {id!r}: it is stopped")
            if wanted.command[0] not in programs.NAMES:
                raise errors.Invalid(f"cannot run {wanted.command[0]!r} in container {id!r}: there is no such program")
            execution = FakeExecution(wanted, next(self.pids), self.now)
            self.executions.append(execution)
        return execution

    async def end_abandoned(self, namespaces: Iterable[str]) -> None:
        pass

    async def wait_ready(self) -> None:
        pass

    async def task_events(self) -> AsyncIterator[observed.TaskEvent]:
        mine: asyncio.Queue[observed.TaskEvent] = asyncio.Queue()
        self._followers.add(mine)
        try:
            while True:
                yield await mine.get()
        finally:
            self._followers.discard(mine)

    def end(self, namespace: str, id: str, code: int) -> None:
        """Let the program of a container end by itself."""
        key = (namespace, id)
        exit = observed.Exit(code, self.now())
        self.tasks[key] = replace(self.tasks[key], status=TaskStatus.STOPPED, exit=exit)
        self._tell(key, Happening.ENDED, exit)

    def run_out_of_memory(self, namespace: str, id: str) -> None:
        """Have the kernel kill the program of a container for the memory it uses."""
        self._tell((namespace, id), Happening.OUT_OF_MEMORY)
        self.end(namespace, id, 137)

    def kill_below(self, cgroup: str) -> None:
        """End what runs in a cgroup, as SIGKILL does."""
        for key, task in list(self.tasks.items()):
            if task.status.alive and f"{self._document(key)['linux']['cgroupsPath']}/".startswith(f"{cgroup}/"):
                self.end(*key, 137)

    def _tell(self, key: Key, what: Happening, exit: observed.Exit | None = None) -> None:
        for follower in self._followers:
            follower.put_nowait(observed.TaskEvent(*key, what, exit))

    def _program(self, key: Key) -> FakeProgram:
        if key[1] in self.broken:
            return FakeProgram(missing=True)
        return self.programs.get(tuple(self._document(key)["process"]["args"]), FakeProgram())

    def _check_place(self, key: Key) -> None:
        """Refuse what runc refuses: namespaces and mounts that are not there."""
        document = self._document(key)
        for namespace in document["linux"]["namespaces"]:
            path = namespace.get("path", "")
            if path and path.rpartition("/")[0] not in self.kernel.pins:
                raise errors.HostError(f"cannot create task {key[1]!r}: namespace {path!r} not found")
        own = {*self.kernel.files, *self.kernel.shms}
        for mount in document["mounts"]:
            source = mount["source"]
            staged = self.kernel.staged.get(source.rpartition("/")[0], {})
            if mount["type"] == "bind" and source not in own and source.rpartition("/")[2] not in staged:
                raise errors.HostError(f"cannot create task {key[1]!r}: mount source {source!r} not found")

    def _document(self, key: Key) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.records[key].spec)
        return found
