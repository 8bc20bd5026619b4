"""Programs that run in containers beside their own, for as long as somebody is there for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, model
from kukeon_runner import derive
from kukeon_runner.controller.base import Base
from kukeon_runner.process_spec import Program, check_signal, check_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from kukeon_api.parts import Part
    from kukeon_runner.host import protocol


class Exec(Base):
    async def exec(
        self,
        doc: model.ContainerDoc,
        command: Sequence[str],
        tty: bool,
        env: Sequence[str],
        user: str,
        working_dir: str,
        rows: int,
        columns: int,
        asked: AsyncIterator[Part],
    ) -> AsyncIterator[Part]:
        """Run a program in the container and yield what comes of it: `started`, its output, `exit`.

        It gets what is `asked` meanwhile. Closing this ends the program. Raises CellNotFound, ContainerNotFound,
        TaskNotRunning, Invalid.
        """
        ref = self.changeable(model.ref_of(doc), "run a program in")
        wanted = Program(tuple(command), tty, tuple(env), user, working_dir, rows, columns)
        wanted.check()
        program = await self._begin(ref, wanted)
        feeding: asyncio.Task[None] | None = None
        try:
            yield "started", model.ExecStarted(pid=program.pid)
            feeding = asyncio.create_task(_feed(program, asked), name=f"feed {wanted.command[0]} in {ref}")
            while (part := await program.read()) is not None:
                yield part
            ended = await program.wait()
            # Nothing is left of it once its end is told.
            await program.end()
            yield "exit", model.ExitStatus(code=ended.code, signal=derive.signal_name(ended.code))
        finally:
            if feeding is not None:
                feeding.cancel()
            await program.end()

    async def _begin(self, ref: model.Ref, wanted: Program) -> protocol.Program:
        assert ref.parent is not None
        cell = self.runner.cells.get(ref.parent)
        spec = next((each for each in cell.spec.containers if each.id == ref.container), None)
        if spec is None:
            there = ", ".join(repr(each.id) for each in cell.spec.containers)
            raise errors.ContainerNotFound(
                f"cannot find container {ref.container!r} in cell {str(ref.parent)!r}", hint=f"it has {there}"
            )
        site = self.runner.cells.site(ref.parent)
        try:
            return await self.runner.context.host.containers.exec_start(
                site.namespace, site.container_id(spec.id, root=spec.root), wanted
            )
        except errors.TaskNotRunning as error:
            raise errors.TaskNotRunning(
                f"cannot run {wanted.command[0]!r} in container {str(ref)!r}: it does not run",
                hint=f"start it with `kuke start cell {ref.cell}`; `kuke get cell {ref.cell}` tells its state",
            ) from error


async def _feed(program: protocol.Program, asked: AsyncIterator[Part]) -> None:
    """Hand on what the client sends. What makes no sense ends the session."""
    try:
        async for name, value in asked:
            await _hand_on(program, name, value)
        await program.close_stdin()
    except errors.KukeonError as error:
        program.fail(error)


async def _hand_on(program: protocol.Program, name: str, value: Any) -> None:
    match name:
        case "stdin":
            await program.write(value)
        case "stdin_closed":
            await program.close_stdin()
        case "resize":
            check_size(value.rows, value.columns)
            await program.resize(value.rows, value.columns)
        case "signal":
            check_signal(value)
            await program.signal(value)
