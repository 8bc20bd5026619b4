"""Container records and tasks in containerd, as the steps of a plan ask for them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from kukeon_api import errors
from kukeon_api.labels import CONTAINERD_SPEC_HASH
from kukeon_runner import native, observed, steps
from kukeon_runner.host import first_program, half_done, hangup, runtime_words, shims, stop_signals, users
from kukeon_runner.host.containerd import introspection
from kukeon_runner.host.containerd.containers import Runtime
from kukeon_runner.host.containerd.snapshots import SnapshotKind
from kukeon_runner.host.containerd.tasks import TaskStatus
from kukeon_runner.host.containerd.values import Mount
from kukeon_runner.host.programs import Programs
from kukeon_runner.options import DEFAULT_LOGS, LogLimits
from kukeon_runner.together import together
from kukeon_runner.wanted import IMAGE_DIGEST_LABEL, STOP_SIGNAL_LABEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from kukeon_runner import process_spec
    from kukeon_runner.host.containerd.client import Containerd, Namespaced
    from kukeon_runner.host.containerd.containers import ContainerRecord
    from kukeon_runner.host.containerd.tasks import Tasks, TaskState
    from kukeon_runner.host.program import Program
    from kukeon_runner.host.terminals import LinuxTerminals

log = logging.getLogger(__name__)

KILL_TIMEOUT_S = 30.0
"""How long SIGKILL may take to show: more means a process that hangs in the kernel."""

DEAD_TIMEOUT_S = 1.0
"""How long a shim may take to tell of a process that is gone."""

ROOT_USERS = frozenset({"", "0", "0:0"})
"""Spellings of root that need no look into the image."""

TASK_TOPICS = {
    "/tasks/start": observed.Happening.STARTED,
    "/tasks/exit": observed.Happening.ENDED,
    "/tasks/oom": observed.Happening.OUT_OF_MEMORY,
    "/tasks/paused": observed.Happening.PAUSED,
    "/tasks/resumed": observed.Happening.RESUMED,
}


class _Streams(TypedDict, total=False):
    """Where a task's streams go."""

    stdin: str
    stdout: str
    stderr: str
    terminal: bool


class LinuxContainers:
    def __init__(
        self,
        containerd: Containerd,
        gid: int,
        programs: Path,
        terminals: LinuxTerminals,
        logs: LogLimits = DEFAULT_LOGS,
        runtime: str = "",
    ) -> None:
        """`programs` is the directory for the streams of programs that run beside containers' own.

        `runtime` is the program that makes containers; containerd's default when empty.
        """
        self._terminals = terminals
        self._containerd = containerd
        self._gid = gid
        self._logs = logs
        self._runtime = Runtime(binary=runtime)
        self._programs = Programs(containerd, programs)
        self._created: dict[tuple[str, str], first_program.Created] = {}

    async def close(self) -> None:
        await self._containerd.close()

    async def namespaces(self) -> Mapping[str, Mapping[str, str]]:
        return {record.name: record.labels for record in await self._containerd.namespaces.list()}

    async def version(self) -> str:
        return (await self._containerd.version()).version

    async def snapshotter(self) -> tuple[str, str]:
        found = await self._containerd.plugins()
        name = introspection.choose_snapshotter(found)
        kinds = {each.id: each.root for each in found if each.type == introspection.SNAPSHOTTER_TYPE}
        return name, kinds[name]

    async def namespace_exists(self, namespace: str) -> bool:
        return await self._containerd.namespace_exists(namespace)

    async def create_namespace(self, namespace: str, labels: Mapping[str, str]) -> bool:
        return await self._containerd.create_namespace(namespace, labels)

    async def delete_namespace(self, namespace: str) -> None:
        within = self._containerd.with_namespace(namespace)
        ids = {record.id for record in await within.containers.list()}
        for task in await within.tasks.list():
            if task.id not in ids:
                # containerd reaches a task through its record only, and lets others delete that first.
                await within.containers.create(task.id, spec={})
                ids.add(task.id)
        for id in sorted(ids):
            await self.stop_task(namespace, id, "SIGKILL", 0)
            await self.delete_task(namespace, id)
            await self.delete(namespace, id)
        await self._containerd.drain_namespace(namespace)
        await self._containerd.delete_namespace(namespace)

    async def create(self, step: steps.CreateContainer) -> None:
        """Record the container first and make its root file system then.

        A record is a root of containerd's garbage collection and names its snapshot before that exists, so nothing is
        ever unprotected. A record whose user is not looked up yet carries no spec hash: after a crash it fits nothing.
        """
        document, labels = json.loads(step.spec), dict(step.labels)
        within = self._within(step.namespace)
        if not step.image:
            await within.containers.create(step.id, spec=document, labels=labels, runtime=self._runtime)
            return
        await asyncio.to_thread(self._make_log_directory, Path(step.log).parent)
        document["process"]["user"] = {"uid": 0, "gid": 0}
        complete = step.user in ROOT_USERS
        first = labels if complete else {key: value for key, value in labels.items() if key != CONTAINERD_SPEC_HASH}
        await within.containers.create(
            step.id, spec=document, image=step.image, snapshot_key=step.id, labels=first, runtime=self._runtime
        )
        root = await _root_filesystem(within, step)
        if not complete:
            uid, gid, groups = await asyncio.to_thread(users.resolve_user, root, step.user)
            document["process"]["user"] = {"uid": uid, "gid": gid, "additionalGids": list(groups)}
            await within.containers.update(step.id, spec=document, labels=labels)

    async def delete(self, namespace: str, id: str) -> None:
        within = self._within(namespace)
        if await within.tasks.find(id) is not None:
            # containerd would do it, and never find the task again.
            raise errors.Conflict(f"cannot delete container {id!r}: it has a task", hint="stop it first")
        await half_done.forget_task(within, id)
        await within.containers.delete(id)
        await within.snapshots.remove(id)
        # One shim serves a cell, whose id is that of its containers without their names.
        await asyncio.to_thread(shims.forget_socket, self._containerd.socket, namespace, id.rpartition("_")[0])

    async def owner(self, namespace: str, id: str) -> tuple[int, int]:
        user = (await self._within(namespace).containers.get(id)).spec["process"].get("user", {})
        return int(user.get("uid", 0)), int(user.get("gid", 0))

    async def renew(self, step: steps.RenewContainer) -> None:
        containers = self._within(step.namespace).containers
        before = await containers.get(step.id)
        document, labels = json.loads(step.spec), dict(step.labels)
        # It was looked up in the root file system, which stays; so does the image that this is of.
        document["process"]["user"] = before.spec["process"]["user"]
        if digest := before.labels.get(IMAGE_DIGEST_LABEL):
            labels[IMAGE_DIGEST_LABEL] = digest
        await containers.update(step.id, spec=document, labels=labels)

    async def fill_environment(self, namespace: str, id: str, values: Mapping[str, str]) -> None:
        containers = self._within(namespace).containers
        document = (await containers.get(id)).spec
        before = document["process"].get("env", [])
        others = [entry for entry in before if entry.partition("=")[0] not in values]
        document["process"]["env"] = [*others, *(f"{name}={value}" for name, value in values.items())]
        await containers.update(id, spec=document)

    async def find(self, namespace: str, id: str) -> observed.Container | None:
        within = self._within(namespace)
        record = await within.containers.find(id)
        if record is None:
            there = await within.snapshots.exists(id)
            return observed.Container(recorded=False, snapshot=True) if there else None
        state = await within.tasks.find(id)
        held = bool(record.snapshot_key) and (state is not None or await within.snapshots.exists(id))
        return _container(record, state, snapshot=held)

    async def survey(self, namespace: str) -> Mapping[str, observed.Container]:
        within = self._within(namespace)
        records, tasks, kept = await together(within.containers.list(), within.tasks.list(), within.snapshots.list())
        states = {state.id: state for state in tasks}
        snapshots = {each.name for each in kept if each.kind is SnapshotKind.ACTIVE}
        found = {id: observed.Container(recorded=False, snapshot=True) for id in snapshots}
        for record in records:
            held = bool(record.snapshot_key) and (record.id in states or record.id in snapshots)
            found[record.id] = _container(record, states.get(record.id), snapshot=held)
        return found

    async def ids(self, namespace: str, labels: Mapping[str, str]) -> Sequence[str]:
        return [record.id for record in await self._within(namespace).containers.list(labels)]

    async def create_task(self, step: steps.CreateTask) -> int:
        within = self._within(step.namespace)
        if step.rootfs:
            mounts: Sequence[Mount] = (Mount("bind", step.rootfs, ("rbind", "ro")),)
        else:
            mounts = await within.snapshots.mounts(step.id)
        patience = half_done.Patience()
        while True:
            streams = await self._streams(step)  # each time: deleting a task closes its terminal
            try:
                with _explained(step.id):
                    pid = await within.tasks.create(step.id, mounts=mounts, **streams)
                self._created[step.namespace, step.id] = first_program.Created.of(pid)
                return pid
            except errors.AlreadyExists:
                # Without one to be seen, its deletion was cut off, and containerd did not get to forget it.
                if patience.over or (not patience.busy and await within.tasks.find(step.id) is not None):
                    raise
                await self.stop_task(step.namespace, step.id, "SIGKILL", 0)
                await self.delete_task(step.namespace, step.id)
                await asyncio.sleep(half_done.BUSY_PAUSE_S)
            except (errors.HostError, errors.NotFound) as error:
                # A creation whose caller died is still being taken back, or goes through after all.
                if not patience.again(str(error)):
                    raise
                if patience.wearing_thin and await within.tasks.find(step.id) is None:
                    # Nobody takes it back any more: the shim hangs, and containerd has forgotten it.
                    socket = self._containerd.socket
                    await asyncio.to_thread(shims.clear, socket, step.namespace, step.id, str(error))
                await asyncio.sleep(half_done.BUSY_PAUSE_S)

    async def _streams(self, step: steps.CreateTask) -> _Streams:
        if step.terminal is not None:
            stdin, stdout = await self._terminals.open(step.namespace, step.id, step.terminal)
            return {"stdin": stdin, "stdout": stdout, "terminal": True}
        logger = native.logger(step.log, self._logs)
        return {"stdout": logger, "stderr": logger} if step.log else {}

    async def start_task(self, namespace: str, id: str) -> None:
        created = self._created.pop((namespace, id), None)
        with _explained(id):
            await self._within(namespace).tasks.start(id)
        await self._terminals.started(namespace, id)
        if created is not None and not await created.executed():
            # It could not be executed, or was done at once: whoever looks next is to see how it ended.
            with contextlib.suppress(errors.NotFound, TimeoutError):
                async with asyncio.timeout(DEAD_TIMEOUT_S):
                    await self._within(namespace).tasks.wait(id)

    async def stop_task(
        self, namespace: str, id: str, signal: str, grace_s: float, *, hang_up: bool = False
    ) -> observed.Exit | None:
        tasks = self._within(namespace).tasks
        state = await tasks.find(id)
        if state is None:
            return None
        if state.status is TaskStatus.UNKNOWN and not state.pid:
            # A creation that was cut off can leave a shim that answers nobody; with it goes what it holds.
            await asyncio.to_thread(shims.end, self._containerd.socket, namespace, id)
            await half_done.wait_forgotten(self._within(namespace), id)
            return None
        # Waiting begins before the signal, so that no exit falls between the two.
        waiting = asyncio.create_task(tasks.wait(id), name=f"wait for {id}")
        try:
            stop, kill = stop_signals.number(signal), stop_signals.number("SIGKILL")
            for number, patience_s in ((stop, grace_s), (kill, KILL_TIMEOUT_S)):
                if patience_s > 0:
                    await tasks.kill(id, number)
                    if hang_up and number == stop:
                        await self._hang_up(tasks, state, stop)
                    done, _ = await asyncio.wait({waiting}, timeout=patience_s)
                    if done:
                        ended = waiting.result()
                        return observed.Exit(ended.code, ended.at)
            raise errors.HostError(
                f"cannot stop {id!r}: it survived SIGKILL for {KILL_TIMEOUT_S:g} s",
                hint="a process that survives SIGKILL hangs in the kernel: see `ps -o pid,stat,wchan`",
            )
        except errors.NotFound:
            return None
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})
            if not waiting.cancelled():
                waiting.exception()

    async def _hang_up(self, tasks: Tasks, state: TaskState, stop_signal: int) -> None:
        with contextlib.suppress(errors.NotFound):  # the stop signal was enough
            await tasks.kill(state.id, stop_signals.number("SIGHUP"))
            await asyncio.to_thread(hangup.hang_up, state.pid, stop_signal)

    async def delete_task(self, namespace: str, id: str) -> observed.Exit | None:
        self._created.pop((namespace, id), None)
        try:
            ended = await self._within(namespace).tasks.delete(id)
        except errors.NotFound:
            await self._terminals.close(namespace, id)
            return None
        await self._terminals.ended(namespace, id, ended.code)
        await self._terminals.close(namespace, id)
        return observed.Exit(ended.code, ended.at)

    async def resize(self, namespace: str, id: str, rows: int, columns: int) -> None:
        await self._within(namespace).tasks.resize(id, rows, columns)

    async def exec_start(self, namespace: str, id: str, wanted: process_spec.Program) -> Program:
        return await self._programs.start(namespace, id, wanted)

    async def end_abandoned(self, namespaces: Iterable[str]) -> None:
        await self._programs.sweep()
        for namespace in namespaces:
            await self._terminals.close_others(namespace, await half_done.clear(self._containerd, namespace))

    async def wait_ready(self) -> None:
        await self._containerd.wait_back()

    async def task_events(self) -> AsyncIterator[observed.TaskEvent]:
        async for event in self._containerd.subscribe([f'topic=="{topic}"' for topic in TASK_TOPICS]):
            fields = event.fields
            id, process = str(fields.get("container_id", "")), fields.get("id", "")
            if process in ("", id):  # what runs beside a task by exec has an id of its own
                what = TASK_TOPICS[event.topic]
                end = _end(what, fields)
                if end is not None:
                    self._terminals.tell_ended(event.namespace, id, end.code)
                yield observed.TaskEvent(event.namespace, id, what, end)

    def _within(self, namespace: str) -> Namespaced:
        return self._containerd.with_namespace(namespace)

    def _make_log_directory(self, path: Path) -> None:
        try:
            path.mkdir(mode=0o750, exist_ok=True)
            if self._gid:
                os.chown(path, 0, self._gid)
                # mkdir drops the set-group bit that lets log files inherit the group.
                path.chmod(0o2750)
        except OSError as error:
            raise errors.HostError(f"cannot make {str(path)!r}: {error.strerror}") from error


def _container(record: ContainerRecord, state: TaskState | None, *, snapshot: bool) -> observed.Container:
    task = None
    if state is not None:
        status = observed.TaskStatus(state.status.value)
        ended = observed.Exit(state.exit_code, state.exited_at) if status is observed.TaskStatus.STOPPED else None
        task = observed.Task(status, state.pid, ended, state.terminal)
    return observed.Container(
        recorded=True,
        spec_hash=record.labels.get(CONTAINERD_SPEC_HASH, ""),
        stop_signal=record.labels.get(STOP_SIGNAL_LABEL, ""),
        image_digest=record.labels.get(IMAGE_DIGEST_LABEL, ""),
        snapshot=snapshot,
        task=task,
    )


async def _root_filesystem(within: Namespaced, step: steps.CreateContainer) -> tuple[Mount, ...]:
    try:
        return await within.snapshots.prepare(step.id, step.chain_id)
    except errors.NotFound:
        # The image is here but was never unpacked, or its layers were removed by hand.
        async with within.lease(f"unpack {step.image}") as leased:
            await leased.unpack(await leased.resolve(step.image))
            return await leased.snapshots.prepare(step.id, step.chain_id)


@contextlib.contextmanager
def _explained(id: str) -> Iterator[None]:
    try:
        yield
    except errors.HostError as error:
        reason, hint = runtime_words.explain(str(error))
        name = id.rpartition("_")[2]
        raise errors.StartContainer(f"cannot start container {name!r}: {reason}", hint=hint or error.hint) from error


def _end(what: observed.Happening, fields: Mapping[str, Any]) -> observed.Exit | None:
    if what is not observed.Happening.ENDED:
        return None
    return observed.Exit(int(fields["exit_status"]), fields["exited_at"])
