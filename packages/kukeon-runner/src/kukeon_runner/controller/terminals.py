"""Terminals of containers: where they are, their bytes as a stream, and their size."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kukeon_api import errors, exec_rules, model, scope, start_ways
from kukeon_runner.controller.containers import Containers
from kukeon_runner.host.terminal_stream import TerminalStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from kukeon_api.parts import Part

log = logging.getLogger(__name__)


class Terminals(Containers):
    async def attach_container(self, doc: model.ContainerDoc) -> model.AttachContainerResult:
        """The socket of the container's terminal.

        Raises ContainerNotFound; AttachNotSupported for one without; TaskNotRunning when it does not run.
        """
        return model.AttachContainerResult(host_socket_path=await self._socket(model.ref_of(doc)))

    async def resize_terminal(self, doc: model.ContainerDoc, rows: int, columns: int) -> model.ResizeTerminalResult:
        """Tell the container's terminal its size. Raises like attach_container, and Invalid for no size."""
        exec_rules.check_size(rows, columns)
        ref = model.ref_of(doc)
        await self._socket(ref)
        await self._resize(ref, rows, columns)
        return model.ResizeTerminalResult(resized=True)

    async def attach(
        self, doc: model.ContainerDoc, rows: int, columns: int, position: int, asked: AsyncIterator[Part]
    ) -> AsyncGenerator[Part, None]:
        """Yield what the container's terminal shows, until its program has ended.

        That begins at `position`, if the terminal still knows it, else with recent output. It is typed into what is
        `asked` meanwhile; whoever asks to leave gets the end once all of that was typed. Raises like attach_container.
        """
        exec_rules.check_size(rows, columns)
        exec_rules.check_position(position)
        ref = model.ref_of(doc)
        stream = TerminalStream(await self._socket(ref), position)
        await stream.connect()
        feeding: asyncio.Task[None] | None = None
        try:
            if rows and columns:
                await self._resize(ref, rows, columns)
            yield "started", True
            feeding = asyncio.create_task(self._feed(ref, stream, asked), name=f"type into {ref}")
            told: int | None = None
            while shown := await stream.read():
                begun = stream.position - len(shown)
                if begun != told:
                    yield "position", begun
                yield "output", shown
                told = stream.position
            if stream.left:
                return
            code = stream.code if stream.code is not None else await self._code(ref)
            yield "ended", model.AttachEnded(code=code)
        finally:
            if feeding is not None:
                feeding.cancel()
                await asyncio.wait({feeding})
            await stream.close()

    async def _feed(self, ref: model.Ref, stream: TerminalStream, asked: AsyncIterator[Part]) -> None:
        async for name, value in asked:
            if name == "input":
                await stream.write(value)
            elif name == "leave":
                await stream.leave()
            elif name == "resize":
                try:
                    exec_rules.check_size(value.rows, value.columns)
                    await self._resize(ref, value.rows, value.columns)
                except errors.KukeonError as error:
                    # One that makes no sense, or comes too late or while containerd is away, keeps nobody from typing.
                    log.info("cannot tell the terminal of %s its size: %s", ref, error)

    async def _code(self, ref: model.Ref) -> int | None:
        """How the terminal's program ended, for when nobody told the terminal in time. None: nobody knows."""
        try:
            cell, spec = self._find(ref)
        except errors.NotFound:
            return None
        site = self.runner.cells.site(model.ref_of(cell))
        found = await self.runner.context.host.containers.find(
            site.namespace, site.container_id(spec.id, root=spec.root)
        )
        if found is not None and found.task is not None:
            return found.task.exit.code if found.task.exit is not None else None
        return next((each.exit_code for each in cell.status.containers if each.name == ref.container), None)

    async def _resize(self, ref: model.Ref, rows: int, columns: int) -> None:
        cell, spec = self._find(ref)
        site = self.runner.cells.site(model.ref_of(cell))
        containers = self.runner.context.host.containers
        await containers.resize(site.namespace, site.container_id(spec.id, root=spec.root), rows, columns)

    async def _socket(self, ref: model.Ref) -> str:
        cell, spec = self._find(ref)
        if not spec.attachable:
            others = ", ".join(sorted(each.id for each in cell.spec.containers if each.attachable))
            raise errors.AttachNotSupported(
                f"cannot attach to container {str(ref)!r}: it has no terminal (attachable is not true)",
                hint=f"the cell can be attached to at {others}"
                if others
                else f"its output is in its log: kuke log {ref.cell}{scope.flags(ref)} --container {ref.container}",
            )
        path = self.runner.context.layout.terminal_socket(ref)
        # There from before a program starts until it has ended.
        if not await self.runner.context.host.kernel.exists(path):
            raise start_ways.not_running(cell, ref, "attach to")
        return path
