"""Programs we run: bounded in time and output, and never left behind."""

# ruff: noqa: ASYNC110, ASYNC240  (tests look at small files, and wait for other processes, in coroutines)

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kukeon_cni import execution
from kukeon_cni.execution import Ended, to_the_end

Wait = Callable[[Callable[[], object]], None]
Alive = Callable[[int], bool]


async def sh(script: str, stdin: bytes = b"", **limits: Any) -> Ended:
    limits = {"timeout_s": 20.0, "stdout_limit": 1 << 16, "stderr_limit": 1000} | limits
    return await execution.run(["/bin/sh", "-c", script], stdin, {"PATH": os.environ["PATH"]}, **limits)


async def test_both_outputs_and_the_code_come_back() -> None:
    ended = await sh("cat; echo oops >&2; exit 3", b"hello")
    assert ended == Ended("exited", 3, b"hello", b"oops\n")


async def test_a_program_that_reads_nothing_is_no_trouble() -> None:
    ended = await sh("echo done", b"x" * (1 << 20))
    assert ended.stdout == b"done\n"


async def test_a_signal_is_a_negative_code() -> None:
    assert (await sh("kill -TERM $$")).returncode == -15


async def test_environment_is_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    assert b"s3cret" not in (await sh("env")).stdout


async def test_standard_error_keeps_its_end() -> None:
    ended = await sh("i=0; while [ $i -lt 2000 ]; do echo line$i >&2; i=$((i+1)); done")
    assert ended.outcome == "exited"
    assert len(ended.stderr) == 1000
    assert ended.stderr.endswith(b"line1999\n")


async def test_too_much_output_kills(alive: Alive, tmp_path: Path) -> None:
    ended = await sh(f"echo $$ > {tmp_path}/pid; exec yes")
    assert (ended.outcome, ended.returncode) == ("too much output", -9)
    assert ended.stdout == b"y\n" * (1 << 15)
    assert not alive(int((tmp_path / "pid").read_text()))


async def test_the_time_limit_kills_the_whole_group(alive: Alive, wait_until: Wait, tmp_path: Path) -> None:
    ended = await sh(f"sleep 1000 & echo $! > {tmp_path}/child; sleep 1000", timeout_s=2)
    assert (ended.outcome, ended.returncode) == ("timed out", -9)
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not alive(child))


async def test_a_program_deaf_to_signals_is_killed_too() -> None:
    ended = await sh("trap '' TERM INT HUP; while :; do sleep 1000; done", timeout_s=0.3)
    assert ended.outcome == "timed out"


async def test_what_a_program_leaves_running_is_killed(alive: Alive, wait_until: Wait) -> None:
    ended = await sh("sleep 1000 & echo $!")
    assert ended.outcome == "exited"
    assert ended.returncode == 0
    child = int(ended.stdout)
    wait_until(lambda: not alive(child))


async def test_leftovers_without_our_pipes_are_killed_too(alive: Alive, wait_until: Wait, tmp_path: Path) -> None:
    await sh(f"sleep 1000 >/dev/null 2>&1 </dev/null & echo $! > {tmp_path}/child")
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not alive(child))


async def test_cancelling_the_caller_kills_the_group(alive: Alive, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    task = asyncio.create_task(sh(f"sleep 1000 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait"))
    async with asyncio.timeout(20):
        while not pids.exists():
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    leader, child = map(int, pids.read_text().split())
    assert not Path(f"/proc/{leader}").exists()  # collected, not even a zombie
    async with asyncio.timeout(20):
        while alive(child):
            await asyncio.sleep(0.005)


async def test_cancelled_before_it_began_to_run() -> None:
    task = asyncio.create_task(sh("sleep 1000"))
    await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_missing_program_is_an_oserror() -> None:
    with pytest.raises(FileNotFoundError):
        await execution.run(["/nonexistent"], b"", {}, timeout_s=1, stdout_limit=1, stderr_limit=1)


async def test_no_descriptor_is_leaked() -> None:
    await sh("true")
    before = set(Path("/proc/self/fd").iterdir())
    for script in ("true", "exec yes", "exit 1"):
        await sh(script)
    await sh("sleep 1000", timeout_s=0.05)
    assert set(Path("/proc/self/fd").iterdir()) == before


async def test_twenty_at_once() -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(sh(f"cat; exit {n}", str(n).encode())) for n in range(20)]
    assert [(task.result().returncode, task.result().stdout) for task in tasks] == [
        (n, str(n).encode()) for n in range(20)
    ]


async def test_work_is_finished_before_the_cancellation_arrives() -> None:
    done = []
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()
        done.append(True)

    task = asyncio.create_task(to_the_end(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]


async def test_failure_of_the_work_is_noted_on_the_cancellation() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("broken")

    task = asyncio.create_task(to_the_end(work()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert "broken" in str(caught.value.__notes__)


async def test_results_and_failures_pass_through() -> None:
    async def give(value: int) -> int:
        return value

    async def fail() -> None:
        raise RuntimeError("broken")

    assert await to_the_end(give(7)) == 7
    with pytest.raises(RuntimeError, match="broken"):
        await to_the_end(fail())
