"""Where the contract is tried: a host, and names and directories of its own on it."""

from __future__ import annotations

import asyncio
import enum
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import model
from kukeon_cni import conflist
from kukeon_runner import observed, steps, wanted
from kukeon_runner.firewall import BridgeNet, Wall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from kukeon_runner.host.protocol import Host
    from kukeon_runner.layout import Layout
    from kukeon_runner.observed import TaskStatus

PATIENCE_S = 30.0
GRACE_S = 10.0
SPACE = model.Ref("contract", "s")
CELL = SPACE.child("t").child("c")


class Program(enum.Enum):
    """What a container's program does."""

    RUNS = "runs until SIGTERM, then exits with 0"
    STUBBORN = "runs and ignores SIGTERM"
    ENDS = "exits with 3 at once"
    MISSING = "is not in the image"


class Home:
    """A host under test, with names and directories of its own for one cell in one space."""

    def __init__(
        self,
        host: Host,
        layout: Layout,
        programs: Mapping[Program, Sequence[str]],
        archive: Callable[[], AsyncIterator[bytes]],
        archived: str,
    ) -> None:
        """`archive` yields one image, called `archived`, that has the `programs`."""
        self.host = host
        self.layout = layout
        self.archive = archive
        self.archived = archived
        self._programs = programs
        namespace = layout.namespace(CELL.realm)
        self.site = wanted.Site.of(layout, CELL, namespace, cgroup_files=False, nofile=1024, host=host.kernel.abilities)
        self.namespace = namespace
        self.network_name = layout.network(SPACE)
        self.bridge = BridgeNet(
            layout.bridge(SPACE), next(IPv4Network(layout.instance.pod_subnet).subnets(new_prefix=24))
        )

    async def ready(self, id: str) -> None:
        """Wait until the program RUNS handles its signal; programs need a moment for that."""

    async def lose_bridge(self) -> None:
        """Have somebody else delete the bridge."""
        raise NotImplementedError

    def directory(self) -> None:
        """Have the cell's directory, as its document would have made it."""
        Path(self.layout.cell_dir(CELL)).mkdir(parents=True, exist_ok=True)

    async def network(self) -> None:
        """Have the space's network."""
        self.directory()
        described = conflist.build_bridge(
            self.layout.network(SPACE), self.bridge.bridge, self.bridge.subnet, data_dir=self.layout.cni_data
        )
        await self.host.kernel.write_file(self.site.conflist, conflist.to_json(described).decode())
        await self.host.network.make_bridge(self.bridge, self.network_name)

    async def cell(self) -> None:
        """Have what a cell's containers share."""
        self.directory()
        kernel = self.host.kernel
        await kernel.make_cgroup(self.site.cgroup)
        await kernel.pin_namespaces(self.site.pins, CELL.cell)
        await kernel.mount_shm(self.site.shm)
        for path in (self.site.hosts, self.site.hostname, self.site.resolv):
            await kernel.write_file(path, "\n")
        await self.host.containers.create_namespace(self.namespace, {})
        await self.host.images.load(self.namespace, self.archive())

    async def step(self, name: str, program: Program = Program.RUNS) -> steps.CreateContainer:
        """The step that makes a container of the cell."""
        image = await self.host.images.find(self.namespace, self.archived)
        command, *args = self._programs[program]
        asked = model.ContainerSpec(id=name, image=self.archived, command=command, args=tuple(args))
        doc = model.CellDoc(
            metadata=model.Metadata(name=CELL.cell),
            spec=model.CellSpec(realm_id=CELL.realm, space_id=CELL.space, stack_id=CELL.stack, containers=(asked,)),
        )
        cell = wanted.cell(
            self.site, doc, {self.archived: image}, "", lambda id: self.layout.container_log(CELL.child(id))
        )
        made = next(each for each in cell.containers if each.name == name)
        return steps.CreateContainer(
            self.namespace, made.id, made.image, made.chain_id, made.labels, made.user, made.spec, made.log
        )

    async def container(self, name: str, program: Program = Program.RUNS) -> str:
        """Have a container's record and root file system; its id."""
        step = await self.step(name, program)
        await self.host.containers.create(step)
        return step.id

    async def task(self, name: str, program: Program = Program.RUNS) -> str:
        """Have a created task; its id."""
        id = await self.container(name, program)
        await self.host.containers.create_task(steps.CreateTask(self.namespace, id, ""))
        return id

    async def running(self, name: str, program: Program = Program.RUNS) -> str:
        """Have a running task, ready to be stopped; its id."""
        id = await self.task(name, program)
        await self.host.containers.start_task(self.namespace, id)
        if program is Program.RUNS:
            await self.ready(id)
        return id

    async def look(self, id: str) -> observed.Container:
        found = await self.host.containers.find(self.namespace, id)
        assert found is not None
        return found

    async def status(self, id: str) -> TaskStatus | None:
        task = (await self.look(id)).task
        return task.status if task else None

    async def wait_ended(self, id: str) -> observed.Exit:
        """Wait until the program has ended by itself."""
        async with asyncio.timeout(PATIENCE_S):
            while (task := (await self.look(id)).task) is None or task.exit is None:  # noqa: ASYNC110 - what others do
                await asyncio.sleep(0.01)
        return task.exit

    async def clear(self) -> None:
        """Take everything away again, by the same doors."""
        await self.host.containers.delete_namespace(self.namespace)
        await self.host.kernel.unmount_shm(self.site.shm)
        await self.host.kernel.unpin_namespaces(self.site.pins)
        await self.host.network.remove(self.network_name, self.site.conflist, self.bridge.bridge)
        await self.host.network.apply_firewall(Wall())
        await self.host.kernel.remove_cgroup(self.layout.cgroup_root)
