"""Run one program in a session of its own, within a time limit, and leave nothing of it behind (door).

asyncio's own subprocesses are not used: they reap the leader as soon as it ends, after which its process group can
not be signalled without the risk of hitting a stranger, and they start a thread per child. Here the leader stays a
zombie until its whole group was killed. No `preexec_fn`, no `user=`: they crash beside gRPC's threads.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Literal, TypeVar

__all__ = ["Ended", "run", "to_the_end"]

T = TypeVar("T")

# How long what a program left running may keep its pipes after the program itself ended.
_LINGER_S = 1.0
# SIGKILL works at once, except on a process stuck in the kernel; that one is left to the collector of zombies.
_DEATH_S = 5.0
_PIECE_BYTES = 1 << 16


@dataclass(frozen=True)
class Ended:
    """How a program ended. `returncode` is negative for a signal, as in `subprocess`; the texts are cut at limits."""

    outcome: Literal["exited", "timed out", "too much output"]
    returncode: int | None
    stdout: bytes
    stderr: bytes


async def run(
    argv: Sequence[str],
    stdin: bytes,
    env: Mapping[str, str],
    *,
    timeout_s: float,
    stdout_limit: int,
    stderr_limit: int,
) -> Ended:
    """Run `argv` to its end and return how it ended; `OSError` when it can not be started.

    When the time is up, standard output exceeds its limit, or the caller is cancelled, the program and every process
    it left in its session's group are killed before this returns. Standard error keeps its last bytes.
    """
    loop = asyncio.get_running_loop()
    child = _start(argv, stdin, env)
    # From here to the `finally` nothing may await outside the `try`: a cancelled caller must not orphan the child.
    pidfd = -1
    pipes: tuple[_Pipe, ...] = ()
    overflow: asyncio.Future[None] = loop.create_future()
    exited: asyncio.Future[None] = loop.create_future()
    outcome: Literal["exited", "timed out", "too much output"] = "exited"

    def ended() -> None:
        loop.remove_reader(pidfd)  # it stays readable, and would call for ever
        _settle(exited)

    try:
        assert child.stdout is not None
        assert child.stderr is not None
        out = _Pipe(child.stdout, stdout_limit, keep="first", overflow=overflow)
        err = _Pipe(child.stderr, stderr_limit, keep="last", overflow=None)
        pipes = (out, err)
        pidfd = os.pidfd_open(child.pid)
        loop.add_reader(pidfd, ended)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wait([exited, overflow], return_when=asyncio.FIRST_COMPLETED)
                if not overflow.done():
                    await asyncio.wait([out.closed, err.closed], timeout=_LINGER_S)
        except TimeoutError:
            outcome = "timed out"
        if overflow.done():
            outcome = "too much output"
    finally:
        # The leader has not been waited for, so its pid still names this group and no other.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        for pipe in pipes:
            pipe.close()
        if pidfd >= 0:
            try:
                if not exited.done():
                    await to_the_end(_wait_dead(exited))
            finally:
                loop.remove_reader(pidfd)
                os.close(pidfd)
                child.poll()
        else:
            child.wait()
    return Ended(outcome, child.returncode, bytes(out.data), bytes(err.data))


async def to_the_end(work: Coroutine[None, None, T]) -> T:
    """Await `work` until it is done even when the caller is cancelled; the cancellation follows afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            cancelled.add_note(f"meanwhile: {failure!r}")
        raise cancelled
    return task.result()


def _start(argv: Sequence[str], stdin: bytes, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # A memory file instead of a pipe: nothing has to be fed, so a program that does not read can not block us.
    source = os.memfd_create("stdin", os.MFD_CLOEXEC)
    try:
        with open(source, "wb", closefd=False) as file:
            file.write(stdin)
        os.lseek(source, 0, os.SEEK_SET)
        return subprocess.Popen(
            argv,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=env,
            start_new_session=True,
            bufsize=0,
        )
    finally:
        os.close(source)


async def _wait_dead(exited: asyncio.Future[None]) -> None:
    await asyncio.wait([exited], timeout=_DEATH_S)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _Pipe:
    """One output of the child: read as it comes, kept up to `limit` bytes, `closed` at its end."""

    def __init__(
        self,
        file: IO[bytes],
        limit: int,
        *,
        keep: Literal["first", "last"],
        overflow: asyncio.Future[None] | None,
    ) -> None:
        self.data = bytearray()
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._file, self._limit, self._keep, self._overflow = file, limit, keep, overflow
        os.set_blocking(file.fileno(), False)
        self._loop.add_reader(file.fileno(), self._read)

    def close(self) -> None:
        """Stop reading and close our end. Calling it twice is fine."""
        if not self._file.closed:
            self._loop.remove_reader(self._file.fileno())
            self._file.close()
        _settle(self.closed)

    def _read(self) -> None:
        try:
            piece = os.read(self._file.fileno(), _PIECE_BYTES)
        except BlockingIOError:
            return
        if not piece:
            self.close()
            return
        self.data += piece
        if len(self.data) <= self._limit:
            return
        if self._keep == "first":
            del self.data[self._limit :]
        else:
            del self.data[: -self._limit]
        if self._overflow is not None:
            _settle(self._overflow)
