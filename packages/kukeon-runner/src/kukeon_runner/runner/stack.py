"""Stacks: a cgroup that holds the cells of one purpose together."""

from __future__ import annotations

from functools import partial

import msgspec

from kukeon_api import model
from kukeon_runner.runner.level import Piece
from kukeon_runner.runner.purge import Purging


class Stacks(Purging[model.StackDoc]):
    kind = "Stack"
    document = model.StackDoc

    def complete(self, ref: model.Ref, doc: model.StackDoc) -> model.StackDoc:
        return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, id=doc.spec.id or ref.stack))

    def pieces(self, ref: model.Ref, doc: model.StackDoc) -> tuple[Piece, ...]:
        host, cgroup = self.context.host, self.context.layout.cgroup(ref)
        return (
            Piece(
                "cgroup",
                partial(host.kernel.cgroup_exists, cgroup),
                partial(host.kernel.make_cgroup, cgroup),
                partial(host.kernel.remove_cgroup, cgroup),
            ),
        )
