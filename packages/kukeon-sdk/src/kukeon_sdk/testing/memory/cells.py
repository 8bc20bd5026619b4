"""Cells in memory: every program just runs, until it is stopped or a test says that it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import endings, errors, image_rules, image_ways, model, names, normalise, restarts
from kukeon_sdk.testing.memory.world import accepted, changeable, labelled, replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_sdk.testing.memory.world import World

State = model.ContainerState
ACTIVE = frozenset({State.READY, State.PENDING, State.PAUSED, State.PAUSING})


class Cells:
    """The verbs of cells."""

    world: World

    def create_cell(self, doc: model.CellDoc, no_start: bool = False) -> model.CreateCellResult:
        doc = accepted(doc)
        ref = changeable(model.ref_of(doc), "create")
        before = self.world.find(ref)
        made, started = before is not None and before.status.cgroup_ready, before is not None and runs_whole(before)
        pre = _recorded(before)
        after = before
        if before is None:
            desired = model.DesiredState.STOPPED if no_start else model.DesiredState.RUNNING
            after = self.world.save(self._new(doc, desired))
        if not no_start:
            after = self.start(after)
        assert after is not None
        post = _recorded(after)
        return model.CreateCellResult(
            cell=after,
            metadata_exists_pre=before is not None,
            metadata_exists_post=True,
            cgroup_exists_pre=made,
            cgroup_exists_post=after.status.cgroup_ready,
            cgroup_created=after.status.cgroup_ready and not made,
            root_container_exists_pre=made,
            root_container_exists_post=after.status.cgroup_ready,
            root_container_created=after.status.cgroup_ready and not made,
            started_pre=started,
            started_post=runs_whole(after),
            started=runs_whole(after) and not started,
            created=before is None,
            containers=tuple(
                model.ContainerCreationOutcome(
                    name=each.id,
                    exists_pre=each.id in pre,
                    exists_post=each.id in post,
                    created=each.id in post and each.id not in pre,
                )
                for each in after.spec.containers
            ),
        )

    def get_cell(self, doc: model.CellDoc) -> model.GetCellResult:
        found = self.world.find(model.ref_of(doc))
        there = found is not None and found.status.cgroup_ready
        return model.GetCellResult(
            cell=found or doc, metadata_exists=found is not None, cgroup_exists=there, root_container_exists=there
        )

    def list_cells(self, realm_name: str = "", space_name: str = "", stack_name: str = "") -> tuple[model.CellDoc, ...]:
        return tuple(self.world.of_kind("Cell", realm_name, space_name, stack_name))

    def start_cell(self, doc: model.CellDoc) -> model.StartCellResult:
        before = self.world.load(changeable(model.ref_of(doc), "start"))
        return model.StartCellResult(cell=self.start(before), started=not runs_whole(before))

    def stop_cell(self, doc: model.CellDoc) -> model.StopCellResult:
        before = self.world.load(changeable(model.ref_of(doc), "stop"))
        return model.StopCellResult(cell=self._stopped(before, 0), stopped=_may_run(before))

    def kill_cell(self, doc: model.CellDoc) -> model.KillCellResult:
        before = self.world.load(changeable(model.ref_of(doc), "kill"))
        return model.KillCellResult(cell=self._stopped(before, 137), killed=_may_run(before))

    def restart_cell(self, doc: model.CellDoc) -> model.RestartCellResult:
        before = self.world.load(changeable(model.ref_of(doc), "restart"))
        self.check_images(before)
        return model.RestartCellResult(cell=self.start(self._stopped(before, 0)), restarted=_alive(before))

    def apply_cell(self, doc: model.CellDoc, stored: model.CellDoc | None) -> model.CellDoc:
        """Have the cell running as `doc` says. One that runs is left alone when an image is missing."""
        if stored is None:
            return self.start(self.world.save(self._new(doc, model.DesiredState.RUNNING)))
        spec = self.effective(doc).spec
        wanted = replace(labelled(doc, stored), spec=spec, status=_without_changed(stored, spec))
        if _alive(stored):
            self.check_images(wanted)
        return self.start(self.world.save(wanted))

    def effective(self, doc: model.CellDoc) -> model.CellDoc:
        """Return `doc` with its space's defaults; raises `SpaceNotFound`, `StackNotFound` when it has no place."""
        ref = model.ref_of(doc)
        for above in ref.ancestors:
            self.world.load(above)
        space = self.world.load(model.Ref(ref.realm, ref.space))
        return normalise.effective(normalise.normalise(doc), space.spec)

    def _new(self, doc: model.CellDoc, desired: model.DesiredState) -> model.CellDoc:
        ref = model.ref_of(doc)
        bridge = self.world.bridge(model.Ref(ref.realm, ref.space))
        status = model.CellStatus(desired=desired, network=model.CellNetworkStatus(bridge_name=bridge))
        state = model.CellState.STOPPED if desired is model.DesiredState.STOPPED else model.CellState.PENDING
        return replace(labelled(doc), spec=self.effective(doc).spec, status=replace(status, state=state))

    def check_images(self, doc: model.CellDoc) -> None:
        """Have the images that some container has yet to be made from, pulled where their policies say so.

        Raises `ImageNotFound` for one that neither the realm nor its registry has.
        """
        there, made = self.world.images.get(doc.spec.realm_id, {}), _recorded(doc)
        for each in doc.spec.containers:
            if each.id in made:
                continue
            missing, policy = each.image not in there, each.image_pull_policy
            pulls = policy == image_rules.ALWAYS or (missing and policy != image_rules.NEVER)
            if pulls and each.image in self.world.registry:
                there[each.image] = replace(self.world.registry[each.image], created_at=self.world.now())
            elif pulls or missing:
                raise errors.ImageNotFound(
                    f"cannot find image {each.image!r} in realm {doc.spec.realm_id!r}",
                    hint=image_ways.to_have(each.image, doc.spec.realm_id, pulled=pulls),
                )

    def start(self, doc: model.CellDoc, only: str | None = None) -> model.CellDoc:
        """Start what does not run (with `only`, just that); a cell that cannot start is Failed, with the reason."""
        status = replace(doc.status, desired=model.DesiredState.RUNNING)
        try:
            self.check_images(doc)
        except errors.ImageNotFound as error:
            if not _alive(doc):
                reason = "StartCellFailed" if status.ready_observed else "CreateCellFailed"
                failed = replace(status, state=model.CellState.FAILED, reason=reason, message=str(error)[:256])
                self.world.save(replace(doc, status=failed))
            raise
        status = restarts.forgiven(status, None if only is None else {only})
        known = {each.name: each for each in status.containers}
        containers = tuple(
            self.running(doc, each, known.get(each.id))
            if only in (None, each.id) or each.root
            else known.get(each.id, model.ContainerStatus(name=each.id))
            for each in doc.spec.containers
        )
        status = replace(
            status,
            containers=containers,
            network=self.world.network(model.ref_of(doc)),
            cgroup_ready=True,
            reason="",
            message="",
        )
        return self.world.save(summed_up(replace(doc, status=status)))

    def running(
        self, doc: model.CellDoc, spec: model.ContainerSpec, before: model.ContainerStatus | None
    ) -> model.ContainerStatus:
        """Return what is seen of a container once it is started; one that runs stays as it is."""
        if before is not None and before.state is State.READY:
            return before
        own = names.ROOT if spec.root else spec.id
        identity = names.containerd_id(doc.spec.space_id, doc.spec.stack_id, doc.metadata.name, own)
        now = self.world.now()
        before = before or model.ContainerStatus(name=spec.id)
        image = self.world.images.get(doc.spec.realm_id, {}).get(spec.image)
        return replace(
            before,
            id=identity,
            image_digest=before.image_digest or (image.digest if image else ""),
            state=State.READY,
            created_at=before.created_at or now,
            start_time=now,
            finish_time=None,
            exit_code=None,
            exit_signal="",
            oom_killed=False,
            reason="",
            message="",
            next_restart=None,
        )

    def _stopped(self, doc: model.CellDoc, code: int) -> model.CellDoc:
        containers = tuple(
            replace(self.ended(each, State.STOPPED, code), next_restart=None) for each in doc.status.containers
        )
        status = replace(doc.status, desired=model.DesiredState.STOPPED, containers=containers, reason="", message="")
        status = replace(status, state=model.CellState.STOPPED)  # also one that had failed
        if status.network is not None:
            status = replace(status, network=model.CellNetworkStatus(bridge_name=status.network.bridge_name))
        return self.world.save(summed_up(replace(doc, status=status)))

    def ended(self, status: model.ContainerStatus, state: model.ContainerState, code: int) -> model.ContainerStatus:
        """Return what is seen of a container after its program ended; one that did not run stays as it is."""
        if status.state not in ACTIVE:
            return status
        signal = endings.signal_name(code)
        return replace(status, state=state, exit_code=code, exit_signal=signal, finish_time=self.world.now())


def summed_up(doc: model.CellDoc) -> model.CellDoc:
    """Return `doc` with the state that its containers add up to, as kukeond derives it."""
    roots = {each.id for each in doc.spec.containers if each.root}
    found = [each.state for each in doc.status.containers if each.name not in roots]
    if not found:
        found = [each.state for each in doc.status.containers]
    if not found and doc.status.desired is model.DesiredState.RUNNING:
        found = [State.READY]
    state = _state(doc, found)
    ready = doc.status.ready_observed or state is model.CellState.READY
    status = replace(doc.status, state=state, ready_observed=ready)
    if state is model.CellState.ERROR:
        bad = next(each for each in doc.status.containers if each.state is State.ERROR)
        message = f"container {bad.name!r} exited with code {bad.exit_code}"
        status = replace(status, reason="WorkloadFailed", message=message)
    return replace(doc, status=status)


def _state(doc: model.CellDoc, found: Iterable[model.ContainerState]) -> model.CellState:
    states = set(found)
    active, bad = states & ACTIVE, State.ERROR in states
    if not active and doc.status.desired is model.DesiredState.STOPPED:
        return model.CellState.STOPPED
    if active:
        return model.CellState.DEGRADED if bad else model.CellState.READY
    if bad:
        return model.CellState.ERROR
    return model.CellState.EXITED if states == {State.EXITED} else model.CellState.STOPPED


def _without_changed(stored: model.CellDoc, spec: model.CellSpec) -> model.CellStatus:
    """Return the status without the containers that have to be made anew, or that are no more."""
    before = {each.id: each for each in stored.spec.containers}
    same = {each.id for each in spec.containers if _unlabelled(before.get(each.id)) == _unlabelled(each)}
    if root_changed(stored.spec, spec):
        same = set()
    return replace(stored.status, containers=tuple(each for each in stored.status.containers if each.name in same))


def root_changed(stored: model.CellSpec, wanted: model.CellSpec) -> bool:
    """Tell whether the root container differs: then the whole cell is made anew."""
    before, after = (next((each for each in spec.containers if each.root), None) for spec in (stored, wanted))
    return bool(_unlabelled(before) != _unlabelled(after))


def _unlabelled(spec: model.ContainerSpec | None) -> Any:
    return None if spec is None else replace(spec, labels={})


def _recorded(doc: model.CellDoc | None) -> set[str]:
    return set() if doc is None else {each.name for each in doc.status.containers if each.id}


def _alive(doc: model.CellDoc) -> bool:
    return any(each.state in ACTIVE and each.id for each in doc.status.containers) or (
        not doc.spec.containers and doc.status.state is model.CellState.READY
    )


def _may_run(doc: model.CellDoc) -> bool:
    """Tell whether something of the cell runs, or waits to be started again."""
    return _alive(doc) or restarts.next_due(doc.status) is not None


def runs_whole(doc: model.CellDoc) -> bool:
    """Tell whether every container of the cell runs."""
    known = {each.name: each.state for each in doc.status.containers}
    whole: bool = all(known.get(each.id) is State.READY for each in doc.spec.containers)
    return whole and doc.status.cgroup_ready and doc.status.desired is model.DesiredState.RUNNING
