"""What containerd's client makes of a deletion that goes wrong, where no real one can be had to."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kukeon_api import errors
from kukeon_runner.host.containerd import tasks
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb


class Closing:
    """A containerd whose shim ends in the middle of the deletion; `left` is what it tells of the task then."""

    def __init__(self, left: pb.Process | None) -> None:
        self._left = left

    async def unary(self, rpc: object, request: object, doing: str, **_: Any) -> pb.GetTaskResponse:
        if rpc is tasks.DELETE:
            raise errors.HostError(f"cannot {doing}: ttrpc: closed")
        if self._left is None:
            raise errors.TaskNotFound(f"cannot {doing}: not found")
        return pb.GetTaskResponse(process=self._left)


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (None, errors.TaskNotFound),
        (pb.Process(id="web", status=pb.TASK_STOPPED), errors.HostError),
        (pb.Process(id="web", status=pb.TASK_RUNNING), errors.Conflict),
    ],
    ids=["gone", "stopped", "running"],
)
async def test_a_deletion_that_is_not_answered_is_told_by_what_is_left(
    left: pb.Process | None, told: type[errors.KukeonError]
) -> None:
    with pytest.raises(errors.KukeonError, match="ttrpc: closed") as caught:
        await tasks.Tasks(cast("Any", Closing(left))).delete("web")
    assert type(caught.value) is told
