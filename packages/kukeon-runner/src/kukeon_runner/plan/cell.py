"""The steps that bring one cell to where it should be.

Three targets, one rule: what is right already stays, the rest is taken down and made again. A plan over what its own
execution left is empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kukeon_runner import etc, observed, peers, wanted
from kukeon_runner.plan import reuse
from kukeon_runner.steps import (
    Announce,
    AttachNetwork,
    CreateContainer,
    CreateTask,
    Delegate,
    DeleteContainer,
    DeleteTask,
    DetachNetwork,
    FillEnvironment,
    MakeCgroup,
    MountSecrets,
    MountShm,
    PinNamespaces,
    Plan,
    Publish,
    RemoveCgroup,
    RemoveSecrets,
    RenewContainer,
    StageSecrets,
    StartTask,
    Step,
    StopTask,
    UnmountSecrets,
    UnmountShm,
    UnpinNamespaces,
    Withdraw,
    WriteFile,
)

if TYPE_CHECKING:
    from collections.abc import Container

STOP_GRACE_S = 10.0
"""How long a program may take to end after its stop signal, unless the caller says otherwise; docker's default, too."""


@dataclass(frozen=True)
class End:
    """How to end a task: signal (empty: the image's, else SIGTERM), time until SIGKILL, and whether to delete it."""

    signal: str = ""
    grace_s: float = STOP_GRACE_S
    delete: bool = True


KILL = End(signal="SIGKILL", grace_s=0, delete=False)
"""At once, leaving the ended task to be looked at."""


class _Draft(dict[Step, frozenset[Step]]):
    def add(self, step: Step, *after: Step | None) -> Step:
        self[step] = self.get(step, frozenset()) | frozenset(each for each in after if each is not None)
        return step

    def steps(self, *kinds: type[Step]) -> tuple[Step, ...]:
        return tuple(each for each in self if isinstance(each, kinds))


def start(cell: wanted.Cell, seen: observed.Cell, only: Container[str] | None = None) -> Plan:
    """Have every container of `cell` running in its pinned namespaces, and no others.

    With `only`, the containers with other ids stay as they are, unless what they share has to be made anew.
    """
    draft = _Draft()
    site = cell.site
    by_id = {each.id: each for each in cell.containers}
    # Namespaces with a network where none is wanted, or without one where it is, are not those of this cell.
    pinned = seen.pinned and seen.networkless is not cell.networked
    intact = pinned and seen.shm
    staying = {
        id
        for id, found in seen.containers.items()
        if intact and id in by_id and reuse.usable(by_id[id], found) and reuse.runs(found)
    }
    if only is not None:
        staying |= {id for id in {*by_id, *seen.containers} if id not in only and (intact or not _alive(seen, id))}
    for id, found in seen.containers.items():
        if id in staying:
            continue
        gone = _end_task(draft, site, id, found, End())
        if (found.recorded or found.snapshot) and (id not in by_id or not reuse.usable(by_id[id], found)):
            draft.add(DeleteContainer(site.namespace, id), gone)
    missing = [each for each in cell.containers if each.id not in staying]
    alive = any(_alive(seen, id) for id in staying)

    ended = draft.steps(StopTask, DeleteTask)
    attached = seen.address if pinned else None
    detach = None
    if attached is None and (seen.network_residue or (seen.pinned and not seen.networkless)):
        # An ADD that a crash cut short may have left an interface behind the pin that no record tells of.
        withdrawn = draft.add(Withdraw(site.ref), *ended) if seen.network_residue else None
        detach = draft.add(_detach(site, seen), withdrawn, *ended)
    pins = None if pinned else draft.add(PinNamespaces(site.pins, site.ref.cell, cell.networked), detach, *ended)
    attach: AttachNetwork | None = None
    if attached is None and cell.networked:
        attach = AttachNetwork(site.conflist, site.root_id, f"{site.pins}/net")
        draft.add(attach, pins, detach)
    # Making one that exists thaws it: a kill that was cut off may have left it frozen, and no process starts in there.
    cgroup = None if seen.cgroup and (alive or not missing) else draft.add(MakeCgroup(site.cgroup))
    shm = None if seen.shm else draft.add(MountShm(site.shm), *ended)
    for id in seen.containers if seen.secrets else ():
        if id not in by_id:
            draft.add(RemoveSecrets(site.staged(id)), *ended)
    member = peers.Member(site.ref, site.bridge, site.hosts, cell.ports, attached.ip if attached else "")
    if not missing and attach is None:
        if attached and cell.announced is not None and cell.announced != member:
            draft.add(Publish(site.bridge), draft.add(Announce(member, before=cell.announced)))
        return draft

    # The file must exist before anything binds it, and hold addresses before a workload starts. While others live in
    # the cell it is never without them.
    known = Announce(member, before=cell.announced) if attached else WriteFile(site.hosts, etc.hosts(site.ref.cell))
    present = ready = draft.add(known)
    if attach:
        ready = draft.add(Announce(member, attach), present, attach)
    if cell.networked:
        draft.add(Publish(site.bridge), ready)
    files = (
        present,
        draft.add(WriteFile(site.hostname, etc.hostname(site.ref.cell))),
        draft.add(WriteFile(site.resolv, cell.resolv)),
        *(draft.add(step) for step in _host_files(cell)),
    )
    staging = None
    if not seen.secrets and any(secret.mount_path for each in missing for secret in each.secrets):
        staging = draft.add(MountSecrets(site.secrets), *ended)
    root_started: Step | None = None
    shim: Step | None = None
    for each in missing:
        recorded = None
        if each.id in seen.containers and reuse.usable(each, seen.containers[each.id]):
            if seen.containers[each.id].spec_hash != each.spec_hash:
                recorded = draft.add(RenewContainer(site.namespace, each.id, each.labels, each.spec), *ended)
        else:
            deleted = DeleteContainer(site.namespace, each.id)
            recorded = draft.add(_create(site, each), deleted if deleted in draft else None)
        provided = _provide_secrets(draft, site, each, recorded, staging, *ended)
        rootfs = "" if each.image else site.pause_rootfs
        # Deleting the last task of a shim group while creating in it fails now and then, so all deletions come first.
        # Two creations that both find no shim may start two, one of which nobody ever ends, so the first goes alone.
        created = CreateTask(site.namespace, each.id, each.log, rootfs, each.terminal)
        draft.add(created, recorded, cgroup, pins, shm, shim, *files, *ended, *provided)
        if not alive:
            shim = shim or created
        delegated = _delegate(draft, cell, each, created)
        after = (created, delegated, root_started, ready if not each.root else None)
        started = draft.add(StartTask(site.namespace, each.id), *after)
        if each.root:
            root_started = started
    return draft


def damaged(site: wanted.Site, seen: observed.Cell, *, own_root: bool) -> bool:
    """Whether a workload runs while something is broken that can be repaired around it: root, network or cgroup.

    Namespaces that lost their pins cannot: making them anew ends whoever lives in them, which is for a person to ask.
    A root container of the user's own (`own_root`) is a workload like any other: it may end.
    """
    if not any(found.alive for id, found in seen.containers.items() if own_root or id != site.root_id):
        return False
    root = seen.containers.get(site.root_id)
    rooted = own_root or (root is not None and reuse.runs(root))
    reachable = seen.address is not None or seen.networkless
    return seen.pinned and seen.shm and not (rooted and seen.cgroup and reachable)


def stop(site: wanted.Site, seen: observed.Cell, grace_s: float = STOP_GRACE_S) -> Plan:
    """End every task, workloads together and the root container last; keep records and writable layers."""
    return _down(site, seen, End(grace_s=grace_s))


def kill(site: wanted.Site, seen: observed.Cell) -> Plan:
    """End every task at once with SIGKILL and leave the ended tasks to be looked at."""
    return _down(site, seen, KILL)


def remove(site: wanted.Site, seen: observed.Cell, grace_s: float = STOP_GRACE_S) -> Plan:
    """Leave nothing of the cell on the host but its metadata, which goes last, when all of this succeeded."""
    draft = _down(site, seen, End(grace_s=grace_s))
    ended = tuple(draft)
    for id, found in seen.containers.items():
        if found.recorded or found.snapshot:
            draft.add(DeleteContainer(site.namespace, id), *ended)
    if seen.cgroup:
        draft.add(RemoveCgroup(site.cgroup), *ended)
    return draft


def stop_container(site: wanted.Site, seen: observed.Cell, id: str, end: End) -> Plan:
    """End one workload's task and leave the rest of the cell alone."""
    draft = _Draft()
    if id in seen.containers:
        ended = _end_task(draft, site, id, seen.containers[id], end)
        _remove_secrets(draft, site, seen, id, ended)
    return draft


def remove_container(site: wanted.Site, seen: observed.Cell, id: str) -> Plan:
    """Leave nothing of one workload on the host."""
    draft = _Draft()
    found = seen.containers.get(id)
    if found is not None:
        ended = _end_task(draft, site, id, found, End())
        _remove_secrets(draft, site, seen, id, ended)
        if found.recorded or found.snapshot:
            draft.add(DeleteContainer(site.namespace, id), ended)
    return draft


def _down(site: wanted.Site, seen: observed.Cell, end: End) -> _Draft:
    draft = _Draft()
    workloads = [_end_task(draft, site, id, found, end) for id, found in seen.containers.items() if id != site.root_id]
    withdrawn = draft.add(Withdraw(site.ref), *workloads) if seen.network_residue else None
    # In this order: as soon as the address is free, another cell may get it.
    detach = draft.add(_detach(site, seen), withdrawn, *workloads) if seen.network_residue else None
    root = seen.containers.get(site.root_id)
    last = None if root is None else _end_task(draft, site, site.root_id, root, end, detach, *workloads)
    if seen.shm:
        draft.add(UnmountShm(site.shm), last, detach, *workloads)
    if seen.secrets:
        draft.add(UnmountSecrets(site.secrets), last, *workloads)
    if seen.pinned:
        draft.add(UnpinNamespaces(site.pins), last, detach, *workloads)
    return draft


def _host_files(cell: wanted.Cell) -> tuple[WriteFile, ...]:
    if cell.host_files is None:
        return ()
    site = cell.site
    hosts = etc.host_hosts(cell.host_files.hosts, site.ref.cell)
    return WriteFile(site.host_hosts, hosts), WriteFile(site.host_resolv, cell.host_files.resolv)


def _provide_secrets(
    draft: _Draft, site: wanted.Site, each: wanted.Container, recorded: Step | None, staging: Step | None, *after: Step
) -> tuple[Step, ...]:
    """Add what gives the container its secrets as they are now: at each start, since their values may have changed."""
    files = tuple(secret for secret in each.secrets if secret.mount_path)
    variables = tuple(secret for secret in each.secrets if not secret.mount_path)
    provided: list[Step] = []
    if files:
        staged = StageSecrets(site.namespace, each.id, site.staged(each.id), files)
        provided.append(draft.add(staged, recorded, staging, *after))
    if variables:
        provided.append(draft.add(FillEnvironment(site.namespace, each.id, variables), recorded, *after))
    return tuple(provided)


def _remove_secrets(draft: _Draft, site: wanted.Site, seen: observed.Cell, id: str, ended: Step | None) -> None:
    if seen.secrets:
        draft.add(RemoveSecrets(site.staged(id)), ended)


def _delegate(draft: _Draft, cell: wanted.Cell, each: wanted.Container, created: CreateTask) -> Step | None:
    """Between creation and start: the program itself has not run yet, so it is in the leaf from its first moment."""
    if not cell.nested or not each.image:
        return None
    return draft.add(Delegate(f"{cell.site.cgroup}/{each.id}", created), created)


def _end_task(
    draft: _Draft, site: wanted.Site, id: str, found: observed.Container, end: End, *after: Step | None
) -> Step | None:
    """Add what ends the task of `id`, and return the last step of it; None when there is nothing to end."""
    last: Step | None = None
    if found.alive:
        named = end.signal or found.stop_signal
        # As systemd does with SendSIGHUP=. An image that names its signal is taken at its word.
        hang_up = not named and found.task is not None and found.task.terminal
        last = draft.add(StopTask(site.namespace, id, named or "SIGTERM", end.grace_s, hang_up), *after)
    if end.delete and found.task is not None:
        last = draft.add(DeleteTask(site.namespace, id), last, *after)
    return last


def _detach(site: wanted.Site, seen: observed.Cell) -> DetachNetwork:
    # Without a pin the plugins get an empty namespace and free what they can (CNI specification, DEL).
    return DetachNetwork(
        site.conflist, site.root_id, f"{site.pins}/net" if seen.pinned and not seen.networkless else ""
    )


def _create(site: wanted.Site, each: wanted.Container) -> CreateContainer:
    return CreateContainer(
        namespace=site.namespace,
        id=each.id,
        image=each.image,
        chain_id=each.chain_id,
        labels=each.labels,
        user=each.user,
        spec=each.spec,
        log=each.log,
    )


def _alive(seen: observed.Cell, id: str) -> bool:
    return id in seen.containers and seen.containers[id].alive
