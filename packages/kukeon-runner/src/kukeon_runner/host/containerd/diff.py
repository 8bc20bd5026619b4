"""containerd's diff service: applies a layer to mounted snapshots, with decompression and whiteouts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from kukeon_runner.host.containerd import values
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.connection import Rpc, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

APPLY = Rpc("/containerd.services.diff.v1.Diff/Apply", pb.ApplyDiffRequest, pb.ApplyDiffResponse)

APPLY_BASE_TIMEOUT_S = 120.0
SLOWEST_BYTES_PER_S = 500_000
"""A slow disk under load still unpacks this much; more than ten times below what a laptop does."""


@dataclasses.dataclass(frozen=True)
class Diff:
    """The diff service for one namespace."""

    scope: Scope

    async def apply(self, layer: values.Descriptor, mounts: Sequence[values.Mount]) -> values.Descriptor:
        """Unpack `layer` into `mounts` and return the descriptor of its uncompressed form."""
        request = pb.ApplyDiffRequest(diff=layer.message(), mounts=[mount.message() for mount in mounts])
        timeout_s = APPLY_BASE_TIMEOUT_S + layer.size / SLOWEST_BYTES_PER_S
        answer = await self.scope.unary(APPLY, request, f"unpack layer {layer.digest}", timeout_s=timeout_s)
        return values.Descriptor.of(answer.applied)
