"""Namespaces, containers and tasks as they would be if what is asked for were done."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from kukeon_api import errors, labels
from kukeon_runner import observed
from kukeon_runner.observed import TaskStatus
from kukeon_runner.wanted import STOP_SIGNAL_LABEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from kukeon_runner import process_spec, steps
    from kukeon_runner.host import protocol

Key = tuple[str, str]


class DryContainers:
    def __init__(self, real: protocol.Containers) -> None:
        self._real = real
        self._namespaces: dict[str, dict[str, str] | None] = {}
        self._records: dict[Key, observed.Container] = {}
        self._labels: dict[Key, dict[str, str]] = {}
        self._gone: set[Key] = set()

    async def close(self) -> None:
        """The real one stays open: it is others' as well."""

    async def namespaces(self) -> Mapping[str, Mapping[str, str]]:
        found = {**await self._real.namespaces(), **self._namespaces}
        return {name: own for name, own in found.items() if own is not None}

    async def version(self) -> str:
        return await self._real.version()

    async def snapshotter(self) -> tuple[str, str]:
        return await self._real.snapshotter()

    async def namespace_exists(self, namespace: str) -> bool:
        if namespace in self._namespaces:
            return self._namespaces[namespace] is not None
        return await self._real.namespace_exists(namespace)

    async def create_namespace(self, namespace: str, labels: Mapping[str, str]) -> bool:
        made = not await self.namespace_exists(namespace)
        if made:
            self._namespaces[namespace] = dict(labels)
        return made

    async def delete_namespace(self, namespace: str) -> None:
        self._namespaces[namespace] = None

    async def create(self, step: steps.CreateContainer) -> None:
        own = dict(step.labels)
        self._labels[step.namespace, step.id] = own
        self._keep(
            (step.namespace, step.id),
            observed.Container(
                recorded=True,
                spec_hash=own.get(labels.CONTAINERD_SPEC_HASH, ""),
                stop_signal=own.get(STOP_SIGNAL_LABEL, ""),
                snapshot=bool(step.image),
            ),
        )

    async def owner(self, namespace: str, id: str) -> tuple[int, int]:
        return 0, 0

    async def renew(self, step: steps.RenewContainer) -> None:
        found = await self.find(step.namespace, step.id)
        if found is None:
            raise errors.ContainerNotFound(f"cannot get container {step.id!r}: not found")
        digest = dict(step.labels).get(labels.CONTAINERD_SPEC_HASH, "")
        self._keep((step.namespace, step.id), dataclasses.replace(found, spec_hash=digest))

    async def fill_environment(self, namespace: str, id: str, values: Mapping[str, str]) -> None:
        return None

    async def delete(self, namespace: str, id: str) -> None:
        self._records.pop((namespace, id), None)
        self._labels.pop((namespace, id), None)
        self._gone.add((namespace, id))

    async def find(self, namespace: str, id: str) -> observed.Container | None:
        key = (namespace, id)
        if key in self._records or key in self._gone or self._namespaces.get(namespace, {}) is None:
            return self._records.get(key)
        return await self._real.find(namespace, id)

    async def survey(self, namespace: str) -> Mapping[str, observed.Container]:
        found = dict(await self._real.survey(namespace)) if await self._real.namespace_exists(namespace) else {}
        found |= {id: each for (within, id), each in self._records.items() if within == namespace}
        return {id: each for id, each in found.items() if (namespace, id) not in self._gone}

    async def ids(self, namespace: str, labels: Mapping[str, str]) -> Sequence[str]:
        found = set(await self._real.ids(namespace, labels))
        found |= {
            id for (within, id), own in self._labels.items() if within == namespace and labels.items() <= own.items()
        }
        return sorted(id for id in found if (namespace, id) not in self._gone)

    async def create_task(self, step: steps.CreateTask) -> int:
        await self._with_task(step.namespace, step.id, observed.Task(TaskStatus.CREATED))
        return 0

    async def start_task(self, namespace: str, id: str) -> None:
        await self._with_task(namespace, id, observed.Task(TaskStatus.RUNNING))

    async def stop_task(
        self, namespace: str, id: str, signal: str, grace_s: float, *, hang_up: bool = False
    ) -> observed.Exit | None:
        exit = observed.Exit(0, None)
        await self._with_task(namespace, id, observed.Task(TaskStatus.STOPPED, exit=exit))
        return exit

    async def delete_task(self, namespace: str, id: str) -> observed.Exit | None:
        return await self._with_task(namespace, id, None)

    async def resize(self, namespace: str, id: str, rows: int, columns: int) -> None:
        return None

    async def exec_start(self, namespace: str, id: str, wanted: process_spec.Program) -> protocol.Program:
        raise NotImplementedError("nothing runs in a dry run")

    async def end_abandoned(self, namespaces: Iterable[str]) -> None:
        return None

    async def wait_ready(self) -> None:
        await self._real.wait_ready()

    def task_events(self) -> AsyncIterator[observed.TaskEvent]:
        return self._real.task_events()

    async def _with_task(self, namespace: str, id: str, task: observed.Task | None) -> observed.Exit | None:
        """Give a container another task; how the one before ended."""
        found = await self.find(namespace, id)
        if found is None:
            return None
        self._keep((namespace, id), dataclasses.replace(found, task=task))
        return found.task.exit if found.task else None

    def _keep(self, key: Key, container: observed.Container) -> None:
        self._gone.discard(key)
        self._records[key] = container
