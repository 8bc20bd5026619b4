"""The first process of a task, between its creation and the moment in which it executes the container's program.

Until then it is the runtime's own. That a program cannot be executed (its interpreter is missing, it is for another
machine) shows only there, when the runtime has said already that the task is started.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

LOOKS, PAUSE_S = 500, 0.002
"""The runtime lets go of the process before it answers, so that it is what it is to be a moment later."""


@dataclass(frozen=True)
class Created:
    """The process of a task that is not started, and what it executes."""

    pid: int
    runtime: str

    @classmethod
    def of(cls, pid: int) -> Created:
        return cls(pid, _program_of(pid))

    async def executed(self) -> bool:
        """Whether it became the container's program, and lives; waits for it to become something."""
        for _ in range(LOOKS):
            program = _program_of(self.pid)
            if program != self.runtime:
                return bool(program)
            await asyncio.sleep(PAUSE_S)
        return True


def _program_of(pid: int) -> str:
    """What a process executes; empty for one that has ended, proc(5)."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""
