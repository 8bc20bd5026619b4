"""Translates what containerd and gRPC answer into kukeon's errors.  The only place of this door that does so."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

BRANCH_BY_CODE: dict[grpc.StatusCode, type[errors.KukeonError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.Invalid,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: errors.Conflict,
    grpc.StatusCode.ABORTED: errors.Aborted,
    grpc.StatusCode.PERMISSION_DENIED: errors.Denied,
    grpc.StatusCode.UNIMPLEMENTED: errors.Unsupported,
    grpc.StatusCode.UNAVAILABLE: errors.ConnectContainerd,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.TimedOut,
}

LOST = "Internal error from Core"
"""What grpc.aio says when a message could not be sent because the stream had broken just before."""

HINTS: dict[type[errors.KukeonError], str] = {
    errors.ConnectContainerd: "check that containerd runs and answers at this socket, then try again",
    errors.TimedOut: "containerd is busy or stuck; its log says more",
    errors.Unsupported: "this containerd is older than the feature, or was built without it",
}


@contextlib.contextmanager
def translated(
    doing: str,
    *,
    namespace: str = "",
    socket: str = "",
    not_found: type[errors.NotFound] = errors.NotFound,
    exists: type[errors.AlreadyExists] = errors.AlreadyExists,
) -> Iterator[None]:
    """Raise the kukeon error for any failed call inside: `cannot <doing> in namespace 'n': <containerd's words>`.

    `not_found` and `exists` are the leaf classes for what the call is about.  Codes that no caller would treat
    differently (unknown, internal, out of range, ...) become `HostError`.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        branch = BRANCH_BY_CODE.get(error.code(), errors.HostError)
        if error.details() == LOST:
            branch = errors.ConnectContainerd
        cls: type[errors.KukeonError] = branch
        if branch is errors.NotFound:
            cls = not_found
        elif branch is errors.AlreadyExists:
            cls = exists
        # What is about a namespace itself has said its name already.
        where = f" in namespace {namespace!r}" if namespace and f"namespace {namespace!r}" not in doing else ""
        why = error.details() or error.code().name.lower().replace("_", " ")
        if branch is errors.ConnectContainerd:
            why = f"containerd at {socket!r} is away: {why}"
        raise cls(f"cannot {doing}{where}: {why}", hint=HINTS.get(branch, "")) from error


def closed(doing: str, socket: str) -> errors.ConnectContainerd:
    """Return the error for a call on a connection that we closed ourselves."""
    return errors.ConnectContainerd(f"cannot {doing}: the connection to containerd at {socket!r} is closed")
