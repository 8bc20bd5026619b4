"""Delete and purge in memory. There is nothing that a delete forgets, so a purge finds no leftovers beyond it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, manifest, model
from kukeon_sdk.testing.memory.containers import Containers
from kukeon_sdk.testing.memory.levels import PIECES, Levels
from kukeon_sdk.testing.memory.world import changeable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHILD = {"Realm": "space", "Space": "stack", "Stack": "cell"}


class Removal(Levels, Containers):
    """The verbs that remove."""

    def delete_realm(self, doc: model.RealmDoc, force: bool = False, cascade: bool = False) -> model.DeleteRealmResult:
        found, deleted = self._delete(doc, cascade or force)
        return model.DeleteRealmResult(
            realm=found, deleted=deleted, metadata_deleted=True, cgroup_deleted=True, containerd_namespace_deleted=True
        )

    def delete_space(self, doc: model.SpaceDoc, force: bool = False, cascade: bool = False) -> model.DeleteSpaceResult:
        found, deleted = self._delete(doc, cascade or force)
        return model.DeleteSpaceResult(
            space=found,
            space_name=doc.metadata.name,
            realm_name=doc.spec.realm_id,
            metadata_deleted=True,
            cgroup_deleted=True,
            cni_network_deleted=True,
            deleted=deleted,
        )

    def delete_stack(self, doc: model.StackDoc, force: bool = False, cascade: bool = False) -> model.DeleteStackResult:
        found, deleted = self._delete(doc, cascade or force)
        return model.DeleteStackResult(
            stack=found,
            stack_name=doc.metadata.name,
            realm_name=doc.spec.realm_id,
            space_name=doc.spec.space_id,
            metadata_deleted=True,
            cgroup_deleted=True,
            deleted=deleted,
        )

    def delete_cell(self, doc: model.CellDoc) -> model.DeleteCellResult:
        ref = changeable(model.ref_of(doc), "delete")
        found = self.world.load(ref)
        self.world.forget(ref)
        made = found.status.cgroup_ready
        return model.DeleteCellResult(cell=found, containers_deleted=made, cgroup_deleted=made, metadata_deleted=True)

    def purge_realm(self, doc: model.RealmDoc, force: bool = False, cascade: bool = False) -> model.PurgeRealmResult:
        found, deleted = self._purge(doc, cascade or force)
        return model.PurgeRealmResult(
            realm=found,
            realm_deleted=bool(deleted),
            purge_succeeded=True,
            force=force,
            cascade=cascade,
            deleted=deleted,
            namespace_removed=True,
        )

    def purge_space(self, doc: model.SpaceDoc, force: bool = False, cascade: bool = False) -> model.PurgeSpaceResult:
        found, deleted = self._purge(doc, cascade or force)
        return model.PurgeSpaceResult(
            space=found,
            metadata_deleted="metadata" in deleted,
            cgroup_deleted="cgroup" in deleted,
            cni_network_deleted="network" in deleted,
            purge_succeeded=True,
            force=force,
            cascade=cascade,
            deleted=deleted,
        )

    def purge_stack(self, doc: model.StackDoc, force: bool = False, cascade: bool = False) -> model.PurgeStackResult:
        found, deleted = self._purge(doc, cascade or force)
        return model.PurgeStackResult(
            stack=found,
            deleted=deleted,
            metadata_deleted="metadata" in deleted,
            cgroup_deleted="cgroup" in deleted,
            purge_succeeded=True,
            force=force,
            cascade=cascade,
        )

    def purge_cell(self, doc: model.CellDoc, force: bool = False, cascade: bool = False) -> model.PurgeCellResult:
        found = self.world.find(changeable(model.ref_of(doc), "purge"))
        if found is None:
            return model.PurgeCellResult(cell=doc, purge_succeeded=True, force=force, cascade=cascade)
        self.world.forget(model.ref_of(doc))
        made = found.status.cgroup_ready
        containers = [f"container:{each.name}" for each in found.status.containers if each.id]
        return model.PurgeCellResult(
            cell=found,
            containers_deleted=made,
            cgroup_deleted=made,
            metadata_deleted=True,
            purge_succeeded=True,
            force=force,
            cascade=cascade,
            deleted=(*containers, *(("cgroup",) if made else ()), "metadata"),
        )

    def delete_documents(
        self, raw_yaml: bytes, cascade: bool = False, force: bool = False
    ) -> model.DeleteDocumentsResult:
        documents = manifest.parse(raw_yaml)
        depth: dict[str, int] = {kind: number for number, kind in enumerate(model.KINDS)}
        documents.sort(key=lambda each: -depth[each.doc.kind])
        return model.DeleteDocumentsResult(
            resources=tuple(self._delete_document(each, cascade or force) for each in documents)
        )

    def _delete_document(self, document: manifest.Document, cascade: bool) -> model.DeleteResourceResult:
        ref = model.ref_of(document.doc)
        about: dict[str, Any] = {"index": document.index, "kind": ref.kind, "name": ref.name}
        inside = list(self._inside(ref))
        try:
            self.remove(ref, cascade=cascade)
        except errors.NotFound:
            return model.DeleteResourceResult(**about, action=model.DeleteAction.NOT_FOUND)
        except errors.KukeonError as error:
            details = {"kind": error.kind, "hint": error.hint}
            return model.DeleteResourceResult(
                **about, action=model.DeleteAction.FAILED, error=str(error), details=details
            )
        deep = len(ref.parts)
        cascaded = tuple(
            f"{each.kind.lower()}:{'/'.join(each.parts[deep:])}" for each in inside if each.kind != "Container"
        )
        counts = Counter(each.kind for each in inside)
        details = {f"{kind.lower()}s": f"{counts[kind]} deleted" for kind in model.KINDS if counts[kind]}
        return model.DeleteResourceResult(
            **about, action=model.DeleteAction.DELETED, cascaded=cascaded, details=details
        )

    def remove(self, ref: model.Ref, *, cascade: bool = False) -> None:
        """Delete one resource of any kind; raises what the method for its kind does."""
        changeable(ref, "delete")
        if ref.kind == "Container":
            spec = model.ContainerSpec(
                id=ref.container, realm_id=ref.realm, space_id=ref.space, stack_id=ref.stack, cell_id=ref.cell
            )
            self.delete_container(model.ContainerDoc(metadata=model.Metadata(name=ref.container), spec=spec))
        elif ref.kind == "Cell":
            self.delete_cell(self.world.load(ref))
        else:
            self._delete(self.world.load(ref), cascade)

    def _inside(self, ref: model.Ref) -> Iterator[model.Ref]:
        """Yield what is in `ref`, parents first."""
        found = self.world.find(ref)
        if isinstance(found, model.CellDoc):
            yield from (ref.child(each.id) for each in found.spec.containers)
        for name in self.world.children(ref):
            yield ref.child(name)
            yield from self._inside(ref.child(name))

    def _purge(self, doc: Any, cascade: bool) -> tuple[Any, tuple[str, ...]]:
        ref = changeable(model.ref_of(doc), "purge")
        return (doc, ()) if self.world.find(ref) is None else self._delete(doc, cascade)

    def _delete(self, doc: Any, cascade: bool) -> tuple[Any, tuple[str, ...]]:
        """Delete a level with what is inside; return its document and what was removed, in order."""
        ref = changeable(model.ref_of(doc), "delete")
        found = self.world.load(ref)
        children = self.world.children(ref)
        if children and not cascade:
            raise dependencies(ref, children)
        removed = [f"{CHILD[ref.kind]}:{name}" for name in children]
        for other in sorted(other for other in self.world.docs if ref.contains(other) and other != ref):
            self.world.forget(other)
        self.world.forget(ref)
        return found, (*removed, *PIECES[ref.kind], "metadata")


def dependencies(ref: model.Ref, children: Sequence[str]) -> errors.ResourceHasDependencies:
    """Return what to tell when `children` are in the way."""
    noun = CHILD[ref.kind] + ("" if len(children) == 1 else "s")
    return errors.ResourceHasDependencies(
        f"cannot delete {ref.kind.lower()} {str(ref)!r}: {len(children)} {noun} inside",
        hint="delete them first, or pass --cascade",
    )
