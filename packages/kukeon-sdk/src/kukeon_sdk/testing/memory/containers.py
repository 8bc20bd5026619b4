"""Containers in memory: parts of a cell's document."""

from __future__ import annotations

from kukeon_api import endings, errors, model, names
from kukeon_sdk.testing.memory.cells import ACTIVE, Cells, State, summed_up
from kukeon_sdk.testing.memory.world import accepted, changeable, replace


class Containers(Cells):
    """The verbs of containers."""

    def create_container(self, doc: model.ContainerDoc) -> model.CreateContainerResult:
        doc = accepted(doc)
        ref = changeable(model.ref_of(doc), "create")
        cell = self.world.load(cell_of(ref))
        existed = spec_of(cell, ref) is not None
        if doc.spec.root:
            raise root_refused("add", ref)
        before = self._status(cell, ref)
        if not existed:
            own = replace(doc.spec, id=ref.container)
            grown = replace(cell, spec=replace(cell.spec, containers=(*cell.spec.containers, own)))
            grown = replace(grown, spec=self.effective(grown).spec)
            self.check_images(grown)
            cell = self.world.save(grown)
        runs = cell.status.desired is model.DesiredState.RUNNING
        after = self.start(cell, ref.container) if runs else self.world.save(self._known(cell, ref))
        now = self._status(after, ref)
        return model.CreateContainerResult(
            container=document(after, ref),
            cell_metadata_exists_pre=True,
            cell_metadata_exists_post=True,
            container_exists_pre=bool(before.id),
            container_exists_post=bool(now.id),
            container_created=bool(now.id) and not before.id,
            started=now.state is State.READY and before.state is not State.READY,
        )

    def get_container(self, doc: model.ContainerDoc) -> model.GetContainerResult:
        ref = model.ref_of(doc)
        cell = self._cell_with(ref)
        return model.GetContainerResult(
            container=document(cell, ref),
            cell_metadata_exists=True,
            container_exists=bool(self._status(cell, ref).id),
        )

    def list_containers(
        self, realm_name: str = "", space_name: str = "", stack_name: str = "", cell_name: str = ""
    ) -> tuple[model.ContainerSpec, ...]:
        cells = self.world.of_kind("Cell", realm_name, space_name, stack_name, cell_name)
        return tuple(each for cell in cells for each in cell.spec.containers)

    def start_container(self, doc: model.ContainerDoc) -> model.StartContainerResult:
        ref = changeable(model.ref_of(doc), "start")
        cell = self._workload("start", ref)
        runs = self._status(cell, ref).state is State.READY
        return model.StartContainerResult(container=document(self.start(cell, ref.container), ref), started=not runs)

    def stop_container(self, doc: model.ContainerDoc) -> model.StopContainerResult:
        ref = changeable(model.ref_of(doc), "stop")
        cell, ended = self._end("stop", ref, 0)
        return model.StopContainerResult(container=document(cell, ref), stopped=ended)

    def kill_container(self, doc: model.ContainerDoc) -> model.KillContainerResult:
        ref = changeable(model.ref_of(doc), "kill")
        cell, ended = self._end("kill", ref, 137)
        return model.KillContainerResult(container=document(cell, ref), killed=ended)

    def restart_container(self, doc: model.ContainerDoc) -> model.RestartContainerResult:
        ref = changeable(model.ref_of(doc), "restart")
        self.check_images(self._workload("restart", ref))
        cell, ended = self._end("restart", ref, 0)
        return model.RestartContainerResult(container=document(self.start(cell, ref.container), ref), restarted=ended)

    def delete_container(self, doc: model.ContainerDoc) -> model.DeleteContainerResult:
        ref = changeable(model.ref_of(doc), "delete")
        cell = self._workload("delete", ref)
        status = self._status(cell, ref)
        found = document(cell, ref)
        self._drop(cell, ref)
        return model.DeleteContainerResult(
            container=found,
            cell_metadata_exists=True,
            container_exists=bool(status.id),
            deleted=("task", "container") if status.id else (),
        )

    def purge_container(self, doc: model.ContainerDoc) -> model.PurgeContainerResult:
        ref = changeable(model.ref_of(doc), "purge")
        cell = self.world.find(cell_of(ref))
        if cell is None or spec_of(cell, ref) is None:
            if ref.container == names.ROOT:
                raise root_refused("purge", ref)
            return model.PurgeContainerResult(container=doc, cell_metadata_exists=cell is not None)
        self._workload("purge", ref)
        gone = self.delete_container(doc)
        return model.PurgeContainerResult(
            container=gone.container,
            cell_metadata_exists=True,
            container_exists=gone.container_exists,
            deleted=gone.deleted,
        )

    def _end(self, verb: str, ref: model.Ref, code: int) -> tuple[model.CellDoc, bool]:
        cell = self._workload(verb, ref)
        status = self._status(cell, ref)
        after = replace(self.ended(status, State.STOPPED, code), reason=endings.ASKED_TO_END, next_restart=None)
        ran = (status.state in ACTIVE and bool(status.id)) or status.next_restart is not None
        return self._changed(cell, after), ran

    def _changed(self, cell: model.CellDoc, status: model.ContainerStatus) -> model.CellDoc:
        containers = tuple(status if each.name == status.name else each for each in cell.status.containers)
        return self.world.save(summed_up(replace(cell, status=replace(cell.status, containers=containers))))

    def _known(self, cell: model.CellDoc, ref: model.Ref) -> model.CellDoc:
        """Return `cell` with a status for a container that was added while it is stopped."""
        if any(each.name == ref.container for each in cell.status.containers):
            return cell
        status = model.ContainerStatus(name=ref.container, state=State.NOT_CREATED)
        return replace(cell, status=replace(cell.status, containers=(*cell.status.containers, status)))

    def _drop(self, cell: model.CellDoc, ref: model.Ref) -> None:
        containers = tuple(each for each in cell.spec.containers if each.id != ref.container)
        statuses = tuple(each for each in cell.status.containers if each.name != ref.container)
        left = replace(cell, spec=replace(cell.spec, containers=containers))
        self.world.save(summed_up(replace(left, status=replace(cell.status, containers=statuses))))

    def _cell_with(self, ref: model.Ref) -> model.CellDoc:
        cell: model.CellDoc = self.world.load(cell_of(ref))
        if spec_of(cell, ref) is None:
            raise errors.ContainerNotFound(f"cannot find container {ref.container!r} in cell {str(cell_of(ref))!r}")
        return cell

    def _workload(self, verb: str, ref: model.Ref) -> model.CellDoc:
        """Return the cell of a container that may be handled alone; raises `RootContainerRefused` for others."""
        cell = self.world.load(cell_of(ref))
        found = spec_of(cell, ref)
        if ref.container == names.ROOT or (found is not None and found.root):
            raise root_refused(verb, ref)
        return self._cell_with(ref)

    @staticmethod
    def _status(cell: model.CellDoc, ref: model.Ref) -> model.ContainerStatus:
        known = {each.name: each for each in cell.status.containers}
        return known.get(ref.container, model.ContainerStatus(name=ref.container, state=State.NOT_CREATED))


def cell_of(ref: model.Ref) -> model.Ref:
    """Return the cell that a container is in."""
    assert ref.parent is not None
    return ref.parent


def spec_of(cell: model.CellDoc, ref: model.Ref) -> model.ContainerSpec | None:
    """Return the container's spec, None when the cell has none of that name."""
    return next((each for each in cell.spec.containers if each.id == ref.container), None)


def document(cell: model.CellDoc, ref: model.Ref) -> model.ContainerDoc:
    """Return a container of `cell` as a document of its own."""
    spec = spec_of(cell, ref)
    assert spec is not None
    status = next((each for each in cell.status.containers if each.name == spec.id), None)
    metadata = model.Metadata(name=spec.id, labels=spec.labels)
    return model.ContainerDoc(metadata=metadata, spec=spec, status=status)


def root_refused(verb: str, ref: model.Ref) -> errors.RootContainerRefused:
    """Return what to tell somebody who wants to do something to a cell's root container alone."""
    return errors.RootContainerRefused(
        f"cannot {verb} container {str(ref)!r}: it is the root container, which lives and ends with its cell",
        hint=f"{verb} the cell: kuke {verb} cell {ref.cell}",
    )
