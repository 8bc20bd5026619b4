"""Single containers of a cell."""

from __future__ import annotations

import msgspec

from kukeon_api import errors, model
from kukeon_runner import derive, wanted
from kukeon_runner.plan import cell as plan
from kukeon_runner.runner.cell.work import Outcome, Work


class Containers(Work):
    async def stop_container(self, ref: model.Ref, end: plan.End) -> Outcome:
        """End one workload. Raises ContainerNotFound; RootContainerRefused for the root container."""
        cell = ref.parent
        assert cell is not None
        async with self.context.lock(cell):
            doc = self.get(cell)
            pre, site = await self._observe(doc)
            identity = self.workload(doc, ref, site, "stop")
            asked = tuple(
                msgspec.structs.replace(each, reason=derive.ASKED_TO_END) if each.name == ref.container else each
                for each in doc.status.containers
            )
            status = msgspec.structs.replace(doc.status, containers=asked)
            doc = await self._wish(msgspec.structs.replace(doc, status=status))
            return await self._down(doc, site, pre, plan.stop_container(site, pre, identity, end))

    async def start_container(self, ref: model.Ref) -> Outcome:
        """Start one workload and, when it is gone, the root container. Raises like `start` and `stop_container`."""
        cell = ref.parent
        assert cell is not None
        async with self.context.lock(cell):
            doc = self.get(cell)
            self.workload(doc, ref, self.site(cell), "start")
            return await self._start(doc, ref.container)

    def workload(self, doc: model.CellDoc, ref: model.Ref, site: wanted.Site, verb: str) -> str:
        """The containerd id of the workload `ref`."""
        for each in doc.spec.containers:
            if each.id == ref.container and not each.root:
                return site.container_id(each.id, root=False)
        if ref.container == model.ROOT or any(each.id == ref.container for each in doc.spec.containers):
            raise errors.RootContainerRefused(
                f"cannot {verb} container {str(ref)!r}: it is the root container, which lives and ends with its cell",
                hint=f"{verb} the cell: kuke {verb} cell {ref.cell}",
            )
        raise errors.ContainerNotFound(f"container {str(ref)!r} not found")
