"""Programs that run in containers beside their own, for as long as somebody is there for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kukeon_api import endings, errors, exec_rules, model, start_ways
from kukeon_api.parts import WINDOW_BYTES
from kukeon_runner.controller.base import Base
from kukeon_runner.process_spec import Program

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
            feeding = asyncio.create_task(_Feeding(program, asked).run(), name=f"feed a program in {ref}")
            while (part := await program.read()) is not None:
                yield part
            ended = await program.wait()
            # Nothing is left of it once its end is told.
            await program.end()
            yield "exit", model.ExitStatus(code=ended.code, signal=endings.signal_name(ended.code))
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
            raise start_ways.not_running(cell, ref, f"run {wanted.command[0]!r} in") from error


class _Feeding:
    """What a client sends, on its way to the program.

    Input goes by a queue, so that whatever else is asked does not wait until the program takes it. Clients keep no more
    under way than the queue holds; what one sends beyond that stays where it is, together with all that follows.
    """

    def __init__(self, program: protocol.Program, asked: AsyncIterator[Part]) -> None:
        self._program = program
        self._asked = asked
        self._input: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._ended = False
        self._held = 0
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Hand on all of it. What makes no sense ends the session."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._type())
                async for name, value in self._asked:
                    await self._hand_on(name, value)
                self._end()
        except* errors.KukeonError as group_error:
            self._program.fail(_first(group_error))

    async def _hand_on(self, name: str, value: Any) -> None:
        match name:
            case "stdin" if not self._ended:  # what comes after the end is dropped
                while self._held >= WINDOW_BYTES:
                    self._room.clear()
                    await self._room.wait()
                self._held += len(value)
                self._input.put_nowait(value)
            case "stdin_closed":
                self._end()
            case "resize":
                exec_rules.check_size(value.rows, value.columns)
                await self._program.resize(value.rows, value.columns)
            case "signal":
                exec_rules.check_signal(value)
                await self._program.signal(value)

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._input.put_nowait(None)

    async def _type(self) -> None:
        while (data := await self._input.get()) is not None:
            await self._program.write(data)
            self._held -= len(data)
            self._room.set()
        await self._program.close_stdin()


def _first(group: BaseExceptionGroup[errors.KukeonError]) -> errors.KukeonError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
