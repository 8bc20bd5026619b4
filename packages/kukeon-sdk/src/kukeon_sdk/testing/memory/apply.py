"""Apply in memory: the same reading, normalisation and diff as kukeond's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import diff, errors, manifest, model, normalise
from kukeon_sdk.testing.memory import pruning
from kukeon_sdk.testing.memory.cells import State, root_changed
from kukeon_sdk.testing.memory.containers import cell_of
from kukeon_sdk.testing.memory.removal import Removal
from kukeon_sdk.testing.memory.world import World, changeable, replace

if TYPE_CHECKING:
    from collections.abc import Iterator

Action = model.ApplyAction


class Apply(Removal):
    """Documents become what is there."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.apart: dict[model.Ref, set[str]] = {}
        """By cell the containers that have documents of their own in the input: the cell's own leaves them alone."""

    def apply_documents(self, raw_yaml: bytes, dry_run: bool = False, prune: str = "") -> model.ApplyDocumentsResult:
        chosen = pruning.selector(prune) if prune else None
        documents = manifest.parse(raw_yaml)
        # What is tried on a copy leaves no trace.
        work = type(self)(self.world.copy()) if dry_run else self
        depth: dict[str, int] = {kind: number for number, kind in enumerate(model.KINDS)}
        documents.sort(key=lambda each: depth[each.doc.kind])
        work.apart = _apart(documents)
        results = [work.apply_document(each) for each in documents]
        if chosen is not None:
            docs = [normalise.normalise(each.doc) for each in documents]
            failed = sum(each.action is Action.FAILED for each in results)
            results += pruning.prune(work, chosen, docs, failed)
        return model.ApplyDocumentsResult(resources=tuple(results))

    def apply_document(self, document: manifest.Document) -> model.ApplyResourceResult:
        """Return what became of one document."""
        doc: Any = document.doc
        about: dict[str, Any] = {"index": document.index, "kind": doc.kind, "name": doc.metadata.name}
        try:
            doc = normalise.normalise(doc)
            action, lines, details = self._apply(doc, changeable(model.ref_of(doc)))
        except errors.KukeonError as error:
            details = {"kind": error.kind, "hint": error.hint}
            return model.ApplyResourceResult(**about, action=Action.FAILED, error=str(error), details=details)
        return model.ApplyResourceResult(**about, action=action, changes=lines, details=details)

    def _apply(self, doc: Any, ref: model.Ref) -> tuple[model.ApplyAction, tuple[str, ...], dict[str, str]]:
        if isinstance(doc, model.ContainerDoc):
            return self._apply_container(doc, ref)
        made = tuple(self._parents(ref))
        before = self.world.find(ref)
        if before is not None:
            check_fresh(ref, doc.metadata.generation, before)
        passwords = dict(self.world.passwords)
        if isinstance(doc, model.CellDoc) and before is not None:
            doc = _with_kept(doc, before, self.apart.get(ref, set()))
        after: Any = self.apply_cell(doc, before) if isinstance(doc, model.CellDoc) else self.have_level(doc)
        if before is None:
            return Action.CREATED, made, {}
        if isinstance(doc, model.CellDoc):
            return _cell_outcome(before, after)
        changes = diff.level(before, after)
        if not changes and passwords != self.world.passwords:
            return Action.UPDATED, ("spec.registryCredentials",), {"spec.registryCredentials": "*** -> ***"}
        action = Action.UPDATED if changes else Action.UNCHANGED
        return action, diff.lines(changes), diff.details(changes)

    def _apply_container(
        self, doc: model.ContainerDoc, ref: model.Ref
    ) -> tuple[model.ApplyAction, tuple[str, ...], dict[str, str]]:
        stored = self.world.load(cell_of(ref))
        check_fresh(ref, doc.metadata.generation, stored)
        own = replace(doc.spec, id=ref.container)
        containers = {each.id: each for each in stored.spec.containers}
        new = ref.container not in containers
        containers[ref.container] = own
        wanted = replace(stored, spec=replace(stored.spec, containers=tuple(containers.values())))
        after = self.apply_cell(wanted, stored)
        action, lines, details = _cell_outcome(stored, after)
        return (Action.CREATED if new else action), lines, details

    def _parents(self, ref: model.Ref) -> Iterator[str]:
        """Make the ancestors that are missing, with empty specs, and yield a line for each."""
        for parent in ref.ancestors:
            if self.world.find(parent) is None:
                self.have_level(bare(parent))
                yield f'{parent.kind.lower()} "{parent.name}" created'


def _apart(documents: list[manifest.Document]) -> dict[model.Ref, set[str]]:
    found: dict[model.Ref, set[str]] = {}
    for each in documents:
        if isinstance(each.doc, model.ContainerDoc):
            ref = model.ref_of(each.doc)
            found.setdefault(cell_of(ref), set()).add(ref.container)
    return found


def _with_kept(doc: model.CellDoc, stored: model.CellDoc, keep: set[str]) -> model.CellDoc:
    own = {each.id for each in doc.spec.containers}
    kept = tuple(each for each in stored.spec.containers if each.id in keep - own)
    return replace(doc, spec=replace(doc.spec, containers=(*doc.spec.containers, *kept)))


def check_fresh(ref: model.Ref, generation: int, stored: Any) -> None:
    """Raise `StaleResource` when a document was made from an older state than the stored one."""
    now = stored.metadata.generation
    if 0 < generation < now:
        raise errors.StaleResource(
            f"cannot apply {ref.kind.lower()} {str(ref)!r}: it is at generation {now}, this change is based on"
            f" {generation}",
            hint="get it again and repeat the change, or leave metadata.generation out",
        )


def _cell_outcome(
    before: model.CellDoc, after: model.CellDoc
) -> tuple[model.ApplyAction, tuple[str, ...], dict[str, str]]:
    changes = diff.cell(before, after)
    lines = list(diff.lines(changes))
    changed = {line.split('"')[1] for line in lines if line.startswith('container "')}
    ran = {each.name for each in before.status.containers if each.state is State.READY}
    lines += [
        f'container "{each.id}" started'
        for each in before.spec.containers
        if each.id not in ran and each.id not in changed
    ]
    if root_changed(before.spec, after.spec):
        return Action.RECREATED, ("root container recreated", *diff.lines(changes)), diff.details(changes)
    return (Action.UPDATED if lines else Action.UNCHANGED), tuple(lines), diff.details(changes)


def bare(ref: model.Ref) -> Any:
    """Return a document that says no more than where the resource is."""
    metadata = model.Metadata(name=ref.name)
    match ref.kind:
        case "Realm":
            return model.RealmDoc(metadata=metadata)
        case "Space":
            return model.SpaceDoc(metadata=metadata, spec=model.SpaceSpec(realm_id=ref.realm))
        case _:
            spec = model.StackSpec(id=ref.name, realm_id=ref.realm, space_id=ref.space)
            return model.StackDoc(metadata=metadata, spec=spec)
