"""Processes that run in a task beside its first one: exec, in containerd's words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from google.protobuf.empty_pb2 import Empty

from kukeon_api import errors
from kukeon_runner.host.containerd import values
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.connection import Rpc, Scope
from kukeon_runner.host.containerd.tasks import CREATE_TIMEOUT_S, Exit, TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVICE = "/containerd.services.tasks.v1.Tasks/"
_ABSENT: dict[str, Any] = {"not_found": errors.TaskNotFound}
EXEC = Rpc(_SERVICE + "Exec", pb.ExecProcessRequest, Empty, **_ABSENT)
START = Rpc(_SERVICE + "Start", pb.ProcessRequest, pb.StartResponse, **_ABSENT)
GET = Rpc(_SERVICE + "Get", pb.ProcessRequest, pb.GetTaskResponse, **_ABSENT)
WAIT = Rpc(_SERVICE + "Wait", pb.ProcessRequest, pb.WaitResponse, **_ABSENT)
KILL = Rpc(_SERVICE + "Kill", pb.KillRequest, Empty, **_ABSENT)
RESIZE = Rpc(_SERVICE + "ResizePty", pb.ResizePtyRequest, Empty, **_ABSENT)
CLOSE_IO = Rpc(_SERVICE + "CloseIO", pb.CloseIORequest, Empty, **_ABSENT)
DELETE = Rpc(_SERVICE + "DeleteProcess", pb.ProcessRequest, pb.DeleteTaskResponse, **_ABSENT)


@dataclasses.dataclass(frozen=True)
class Process:
    """One process of container `id`, known as `exec_id`; an empty one means the task's first process.

    Calls raise TaskNotFound when the task or the process is gone.
    """

    scope: Scope
    id: str
    exec_id: str

    async def create(
        self, document: Mapping[str, Any], *, terminal: bool, stdin: str = "", stdout: str = "", stderr: str = ""
    ) -> None:
        """Announce the process of an OCI `process` document; streams are paths of FIFOs, or "" for nowhere."""
        request = pb.ExecProcessRequest(
            container_id=self.id,
            exec_id=self.exec_id,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            terminal=terminal,
            spec=values.json_any(values.PROCESS_TYPE_URL, document),
        )
        await self.scope.unary(EXEC, request, f"run a program in container {self.id!r}")

    async def start(self) -> int:
        """Run it and return its pid. Raises HostError with runc's words."""
        doing = f"run a program in container {self.id!r}"
        return (await self.scope.unary(START, self._request(), doing, timeout_s=CREATE_TIMEOUT_S)).pid

    async def get(self) -> TaskState:
        """Return its state."""
        return TaskState.of((await self.scope.unary(GET, self._request(), f"get {self}")).process)

    async def wait(self) -> Exit:
        """Wait, as long as it takes, until it has ended; may begin before it starts.

        Raises ConnectContainerd when containerd goes away meanwhile: whether it has ended must then be asked again.
        """
        answer = await self.scope.unary(WAIT, self._request(), f"wait for {self}", timeout_s=None)
        return Exit(answer.exit_status, values.time_of(answer.exited_at))

    async def kill(self, number: int) -> None:
        """Send it the signal `number`."""
        request = pb.KillRequest(container_id=self.id, exec_id=self.exec_id, signal=number)
        await self.scope.unary(KILL, request, f"send signal {number} to {self}")

    async def resize(self, rows: int, columns: int) -> None:
        """Tell its terminal its size."""
        request = pb.ResizePtyRequest(container_id=self.id, exec_id=self.exec_id, width=columns, height=rows)
        await self.scope.unary(RESIZE, request, f"resize the terminal of {self}")

    async def close_stdin(self) -> None:
        """Have the shim let go of its input, which ends once nobody else holds it."""
        request = pb.CloseIORequest(container_id=self.id, exec_id=self.exec_id, stdin=True)
        await self.scope.unary(CLOSE_IO, request, f"close the input of {self}")

    async def delete(self) -> None:
        """Delete what containerd and the shim keep of it; for one that has ended or never started."""
        await self.scope.unary(DELETE, self._request(), f"delete {self}")

    def _request(self) -> pb.ProcessRequest:
        return pb.ProcessRequest(container_id=self.id, exec_id=self.exec_id)

    def __str__(self) -> str:
        return f"process {self.exec_id!r} of container {self.id!r}"
