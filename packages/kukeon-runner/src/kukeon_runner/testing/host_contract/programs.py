"""What running a program in a container beside its own keeps."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_runner.process_spec import Program as Wanted
from kukeon_runner.testing.host_contract.home import GRACE_S, PATIENCE_S

if TYPE_CHECKING:
    from kukeon_runner.host import protocol
    from kukeon_runner.testing.host_contract.home import Home


async def collect(program: protocol.Program) -> dict[str, bytes]:
    """Read it to its end; what it wrote, by stream."""
    written: dict[str, bytes] = {}
    async with asyncio.timeout(PATIENCE_S):
        while (piece := await program.read()) is not None:
            name, value = piece
            if name != "stdin_taken":
                written[name] = written.get(name, b"") + value
    return written


class ProgramsContract:
    """Programs that run in a container beside its own."""

    async def start(self, home: Home, *command: str, tty: bool = False) -> protocol.Program:
        await home.cell()
        id = await home.running("web")
        return await home.host.containers.exec_start(home.namespace, id, Wanted(command, tty))

    async def test_what_it_writes_and_how_it_ends(self, home: Home) -> None:
        program = await self.start(home, "echo", "hello")
        assert program.pid > 0
        assert await collect(program) == {"stdout": b"hello\n"}
        assert (await program.wait()).code == 0
        await program.end()
        await program.end()

    async def test_errors_have_a_stream_of_their_own(self, home: Home) -> None:
        program = await self.start(home, "sh", "-c", "echo no >&2")
        assert await collect(program) == {"stderr": b"no\n"}
        await program.end()

    async def test_its_code_is_told(self, home: Home) -> None:
        program = await self.start(home, "sh", "-c", "exit 3")
        assert await collect(program) == {}
        assert (await program.wait()).code == 3
        await program.end()

    async def test_what_is_written_to_it_arrives_and_is_accounted_for(self, home: Home) -> None:
        program = await self.start(home, "cat")
        await program.write(b"one ")
        await program.write(b"two")
        taken = 0
        read = b""
        while taken < 7 or len(read) < 7:
            piece = await asyncio.wait_for(program.read(), PATIENCE_S)
            assert piece is not None
            name, value = piece
            taken += value if name == "stdin_taken" else 0
            read += value if name == "stdout" else b""
        assert (taken, read) == (7, b"one two")
        await program.close_stdin()
        assert await collect(program) == {}
        assert (await program.wait()).code == 0
        await program.write(b"too late")
        await program.signal(signal.SIGTERM)
        await program.end()

    async def test_a_signal_reaches_it(self, home: Home) -> None:
        program = await self.start(home, "sleep", "1000")
        await program.signal(signal.SIGTERM)
        assert await collect(program) == {}
        assert (await program.wait()).code == 128 + signal.SIGTERM
        await program.end()

    async def test_ending_it_ends_it(self, home: Home) -> None:
        await home.cell()
        id = await home.running("web")
        for command in (("sleep", "1000"), ("yes",), ("cat",)):
            program = await home.host.containers.exec_start(home.namespace, id, Wanted(command))
            async with asyncio.timeout(GRACE_S):
                await program.end()

    async def test_a_terminal_has_one_stream(self, home: Home) -> None:
        program = await self.start(home, "sh", "-c", "echo no >&2", tty=True)
        written = await collect(program)
        assert written["stdout"].split() == [b"no"]
        assert "stderr" not in written
        await program.end()

    async def test_whoever_reads_gets_what_it_fails_with(self, home: Home) -> None:
        program = await self.start(home, "sleep", "1000")
        reading = asyncio.create_task(program.read())
        await asyncio.sleep(0)
        program.fail(errors.InvalidRequest("cannot read that"))
        with pytest.raises(errors.InvalidRequest, match="cannot read that"):
            await asyncio.wait_for(reading, PATIENCE_S)
        await program.end()

    async def test_what_is_missing_is_told(self, home: Home) -> None:
        await home.cell()
        id = await home.running("web")
        with pytest.raises(errors.Invalid, match="cannot run 'no-such-program' in container"):
            await home.host.containers.exec_start(home.namespace, id, Wanted(("no-such-program",)))

    async def test_a_container_that_does_not_run_runs_nothing(self, home: Home) -> None:
        await home.cell()
        id = await home.container("web")
        for _ in range(2):
            with pytest.raises(errors.TaskNotRunning):
                await home.host.containers.exec_start(home.namespace, id, Wanted(("echo",)))
            with pytest.raises(errors.TaskNotRunning):
                await home.host.containers.exec_start(home.namespace, "s_t_c_missing", Wanted(("echo",)))
