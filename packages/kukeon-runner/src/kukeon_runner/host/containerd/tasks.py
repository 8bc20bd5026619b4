"""Tasks: the running (or ended and not yet deleted) first process of a container, and what is asked of it."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from kukeon_api import errors
from kukeon_runner.host.containerd import values
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.connection import Rpc, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_SERVICE = "/containerd.services.tasks.v1.Tasks/"
CREATE = Rpc(_SERVICE + "Create", pb.CreateTaskRequest, pb.CreateTaskResponse, not_found=errors.ContainerNotFound)
START = Rpc(_SERVICE + "Start", pb.ProcessRequest, pb.StartResponse, not_found=errors.TaskNotFound)
GET = Rpc(_SERVICE + "Get", pb.ProcessRequest, pb.GetTaskResponse, not_found=errors.TaskNotFound)
LIST = Rpc(_SERVICE + "List", pb.ListTasksRequest, pb.ListTasksResponse)
KILL = Rpc(_SERVICE + "Kill", pb.KillRequest, Empty, not_found=errors.TaskNotFound)
WAIT = Rpc(_SERVICE + "Wait", pb.ProcessRequest, pb.WaitResponse, not_found=errors.TaskNotFound)
DELETE = Rpc(_SERVICE + "Delete", pb.TaskRequest, pb.DeleteTaskResponse, not_found=errors.TaskNotFound)
RESIZE = Rpc(_SERVICE + "ResizePty", pb.ResizePtyRequest, Empty, not_found=errors.TaskNotFound)
LIST_PIDS = Rpc(_SERVICE + "ListPids", pb.TaskRequest, pb.ListPidsResponse, not_found=errors.TaskNotFound)

CREATE_TIMEOUT_S = 120.0
"""Creating a task starts a shim and runs runc: on a loaded machine the slowest thing we ask for."""


class TaskStatus(StrEnum):
    """containerd's word for what a task does."""

    UNKNOWN = "unknown"
    CREATED = "created"
    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"
    PAUSING = "pausing"


_STATUS = {
    pb.TASK_CREATED: TaskStatus.CREATED,
    pb.TASK_RUNNING: TaskStatus.RUNNING,
    pb.TASK_STOPPED: TaskStatus.STOPPED,
    pb.TASK_PAUSED: TaskStatus.PAUSED,
    pb.TASK_PAUSING: TaskStatus.PAUSING,
}


@dataclasses.dataclass(frozen=True)
class TaskState:
    """A task now.  `exit_code` and `exited_at` mean something once it is stopped."""

    id: str
    status: TaskStatus
    pid: int
    exit_code: int = 0
    exited_at: datetime | None = None
    terminal: bool = False

    @classmethod
    def of(cls, message: pb.Process, id_: str = "") -> TaskState:
        """Return the value of a message.  Get leaves the container id empty and List sets only `id`."""
        return cls(
            id=id_ or message.container_id or message.id,
            status=_STATUS.get(message.status, TaskStatus.UNKNOWN),
            pid=message.pid,
            exit_code=message.exit_status,
            exited_at=values.time_of(message.exited_at),
            terminal=message.terminal,
        )


@dataclasses.dataclass(frozen=True)
class Exit:
    """How a process ended: its exit code (128 + signal when killed) and when."""

    code: int
    at: datetime | None


@dataclasses.dataclass(frozen=True)
class Tasks:
    """The tasks of one namespace."""

    scope: Scope

    async def create(
        self,
        id_: str,
        *,
        mounts: Sequence[values.Mount] = (),
        stdin: str = "",
        stdout: str = "",
        stderr: str = "",
        terminal: bool = False,
    ) -> int:
        """Create the task of container `id_`, not yet running its program, and return its pid.

        Streams are "" (nowhere), a FIFO's path, `binary:///path?arg=value`, or `file:///path` (runc's shim puts both
        streams into stdout's file, and has been seen to lose the last lines of one).  Raises AlreadyExists
        for a second task, HostError with runc's words when the container cannot be made.
        """
        request = pb.CreateTaskRequest(
            container_id=id_,
            rootfs=[mount.message() for mount in mounts],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            terminal=terminal,
        )
        answer = await self.scope.unary(CREATE, request, f"create task {id_!r}", timeout_s=CREATE_TIMEOUT_S)
        return answer.pid

    async def start(self, id_: str) -> int:
        """Run the program of a created task and return its pid."""
        request = pb.ProcessRequest(container_id=id_)
        return (await self.scope.unary(START, request, f"start task {id_!r}", timeout_s=CREATE_TIMEOUT_S)).pid

    async def get(self, id_: str) -> TaskState:
        """Return the task's state, or raise TaskNotFound."""
        answer = await self.scope.unary(GET, pb.ProcessRequest(container_id=id_), f"get task {id_!r}")
        return TaskState.of(answer.process, id_)

    async def find(self, id_: str) -> TaskState | None:
        """Return the task's state, or None."""
        try:
            return await self.get(id_)
        except errors.NotFound:
            return None

    async def list(self) -> tuple[TaskState, ...]:
        """Return the state of every task of the namespace, sorted by id."""
        answer = await self.scope.unary(LIST, pb.ListTasksRequest(), "list tasks")
        return tuple(sorted((TaskState.of(message) for message in answer.tasks), key=lambda state: state.id))

    async def kill(self, id_: str, signal: int, *, all_processes: bool = False) -> None:
        """Send a signal to the first process, or to every one; raises TaskNotFound when it is over already."""
        request = pb.KillRequest(container_id=id_, signal=signal, all=all_processes)
        await self.scope.unary(KILL, request, f"send signal {signal} to task {id_!r}")

    async def wait(self, id_: str) -> Exit:
        """Wait, as long as it takes, until the task has ended; it is safe to begin before signalling.

        Raises TaskNotFound when there is none, ConnectContainerd when containerd goes away meanwhile: whether the
        task ended must then be asked again.
        """
        request = pb.ProcessRequest(container_id=id_)
        answer = await self.scope.unary(WAIT, request, f"wait for task {id_!r}", timeout_s=None)
        return Exit(answer.exit_status, values.time_of(answer.exited_at))

    async def resize(self, id_: str, rows: int, columns: int) -> None:
        """Tell the task's terminal its size; raises TaskNotFound when it is over."""
        request = pb.ResizePtyRequest(container_id=id_, width=columns, height=rows)
        await self.scope.unary(RESIZE, request, f"resize the terminal of task {id_!r}")

    async def delete(self, id_: str) -> Exit:
        """Delete a task that has ended or never started, with its shim state, and return how it ended.

        Raises TaskNotFound when there is none, Conflict while it runs.
        """
        request = pb.TaskRequest(container_id=id_)
        try:
            answer = await self.scope.unary(DELETE, request, f"delete task {id_!r}")
        except errors.HostError as error:
            # containerd answers "unknown" for a running task; only its state tells this from real trouble.
            state = await self.find(id_)
            if state is None:
                # Of two that are deleted at once, one may be gone with their shim before it has answered.
                raise errors.TaskNotFound(error.message) from error
            if state.status is TaskStatus.STOPPED:
                raise
            raise errors.Conflict(error.message) from error
        return Exit(answer.exit_status, values.time_of(answer.exited_at))

    async def pids(self, id_: str) -> tuple[int, ...]:
        """Return the pids of all processes of the container, as the host sees them."""
        answer = await self.scope.unary(LIST_PIDS, pb.TaskRequest(container_id=id_), f"list processes of task {id_!r}")
        return tuple(process.pid for process in answer.processes)
