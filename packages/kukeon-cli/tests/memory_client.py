"""A kukeond in memory."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import errors, image_ref, manifest, model, normalise, selector
from kukeon_sdk.testing import FakeClient

if TYPE_CHECKING:
    from collections.abc import Mapping

BORN = dt.datetime(2026, 11, 21, 10, 0, tzinfo=dt.UTC)


class MemoryClient(FakeClient):
    """A client that behaves: it keeps resources and images, and refuses what kukeond refuses.

    `trouble` maps a method to the errors that its next calls raise, `answers` to what they return instead.
    """

    def __init__(self) -> None:
        self.docs: dict[model.Ref, model.Doc] = {}
        self.images: dict[str, dict[str, model.ImageInfo]] = {}
        self.trouble: dict[str, list[BaseException]] = {}
        self.answers: dict[str, list[Any]] = {}
        self.passwords: dict[str, str] = {}
        self.states: list[dict[str, Any]] = []
        self.logs: dict[model.Ref, str] = {}
        self.containerd_version = "1.6.20"
        self.warnings: tuple[str, ...] = ()
        self.received: list[bytes] = []
        self.closed = False
        for ref in (model.Ref("default"), model.Ref("default", "default"), model.Ref("default", "default", "default")):
            self.put(ref)

    def put(
        self,
        ref: model.Ref,
        *,
        image: str = "docker.io/library/busybox:latest",
        labels: Mapping[str, str] = {},
        **status: Any,
    ) -> model.Doc:
        """Have a resource, ready; `status` replaces fields of its status."""
        metadata = model.Metadata(name=ref.name, labels=dict(labels), generation=1)
        known = {"created_at": BORN, **status}
        doc: model.Doc
        match ref.kind:
            case "Realm":
                known.setdefault("state", model.RealmState.READY)
                spec = model.RealmSpec(namespace=f"{ref.realm}.kukeon.io")
                doc = model.RealmDoc(metadata=metadata, spec=spec, status=model.RealmStatus(**known))
                self.images.setdefault(ref.realm, {})
            case "Space":
                known.setdefault("state", model.SpaceState.READY)
                doc = model.SpaceDoc(
                    metadata=metadata, spec=model.SpaceSpec(realm_id=ref.realm), status=model.SpaceStatus(**known)
                )
            case "Stack":
                known.setdefault("state", model.StackState.READY)
                stack = model.StackSpec(realm_id=ref.realm, space_id=ref.space)
                doc = model.StackDoc(metadata=metadata, spec=stack, status=model.StackStatus(**known))
            case _:
                cell = model.CellSpec(
                    realm_id=ref.realm,
                    space_id=ref.space,
                    stack_id=ref.stack,
                    containers=(model.ContainerSpec(id="web", image=image, command="/bin/sh"),),
                )
                doc = normalise.normalise(model.CellDoc(metadata=metadata, spec=cell))
                doc = self._running(doc, **known)
        self.docs[ref] = doc
        return doc

    def _running(self, doc: model.CellDoc, **known: Any) -> model.CellDoc:
        network = model.CellNetworkStatus(bridge_name="k-0123456789", address="10.88.0.2/24", gateway="10.88.0.1")
        containers = tuple(
            model.ContainerStatus(name=each.id, state=model.ContainerState.READY, created_at=BORN)
            for each in doc.spec.containers
        )
        values = {"state": model.CellState.READY, "created_at": BORN, "network": network, "containers": containers}
        return msgspec.structs.replace(doc, status=model.CellStatus(**{**values, **known}))

    def load(self, realm: str, name: str) -> None:
        """Have an image in a realm."""
        info = model.ImageInfo(name=name, size=1_500_000, created_at=BORN, digest="sha256:" + "0" * 64)
        self.images[realm][name] = info

    def _check(self, method: str) -> None:
        if self.trouble.get(method):
            raise self.trouble[method].pop(0)

    def close(self) -> None:
        self.closed = True

    def ping(self, *, timeout: float | None = None) -> model.PingResult:
        self._check("ping")
        return model.PingResult(
            ok=True,
            version="0.1.0",
            run_path="/opt/kukeon",
            containerd_mode="embedded",
            containerd_version=self.containerd_version,
            containerd_socket="/run/kukeon/containerd/containerd.sock",
            cgroup_mode="v2",
            warnings=self.warnings,
            pid=4711,
        )

    def _find(self, ref: model.Ref) -> model.Doc:
        if ref not in self.docs:
            raise errors.KINDS[f"{ref.kind}NotFound"](f"cannot find {ref.kind.lower()} {str(ref)!r}")
        return self.docs[ref]

    def _create(self, doc: Any) -> tuple[Any, bool]:
        ref = model.ref_of(doc)
        for parent in ref.ancestors:
            self._find(parent)
        if ref in self.docs:
            return self.docs[ref], True
        return self.put(ref), False

    def create_realm(self, doc: model.RealmDoc, *, timeout: float | None = None) -> model.CreateRealmResult:
        self._check("create_realm")
        found, was = self._create(doc)
        flags = _flags(was, "metadata", "cgroup", "containerd_namespace")
        return model.CreateRealmResult(realm=found, created=not was, **flags)

    def create_space(self, doc: model.SpaceDoc, *, timeout: float | None = None) -> model.CreateSpaceResult:
        self._check("create_space")
        found, was = self._create(doc)
        return model.CreateSpaceResult(space=found, created=not was, **_flags(was, "metadata", "cgroup", "cni_network"))

    def create_stack(self, doc: model.StackDoc, *, timeout: float | None = None) -> model.CreateStackResult:
        self._check("create_stack")
        found, was = self._create(doc)
        return model.CreateStackResult(stack=found, created=not was, **_flags(was, "metadata", "cgroup"))

    def create_cell(
        self, doc: model.CellDoc, no_start: bool = False, *, timeout: float | None = None
    ) -> model.CreateCellResult:
        self._check("create_cell")
        ref = model.ref_of(doc)
        for parent in ref.ancestors:
            self._find(parent)
        was = ref in self.docs
        if not was:
            self.docs[ref] = self._started(normalise.normalise(doc))
            if no_start:
                status = msgspec.structs.replace(self.docs[ref].status, state=model.CellState.STOPPED)
                self.docs[ref] = msgspec.structs.replace(self.docs[ref], status=status)
        cell = self.docs[ref]
        assert isinstance(cell, model.CellDoc)
        return model.CreateCellResult(
            cell=cell,
            created=not was,
            started=not was,
            started_pre=was,
            started_post=True,
            containers=tuple(
                model.ContainerCreationOutcome(name=each.id, exists_pre=was, exists_post=True, created=not was)
                for each in cell.spec.containers
            ),
            **_flags(was, "metadata", "cgroup"),
            root_container_exists_pre=was,
            root_container_exists_post=True,
        )

    def _started(self, doc: model.CellDoc) -> model.CellDoc:
        for each in doc.spec.containers:
            if each.image not in self.images[doc.spec.realm_id]:
                raise errors.ImageNotFound(f"cannot find image {each.image!r} in realm {doc.spec.realm_id!r}")
        return self._running(doc)

    def get_realm(self, doc: model.RealmDoc, *, timeout: float | None = None) -> model.GetRealmResult:
        found: Any = self.docs.get(model.ref_of(doc))
        there = found is not None
        return model.GetRealmResult(
            realm=found or doc, metadata_exists=there, cgroup_exists=there, containerd_namespace_exists=there
        )

    def get_space(self, doc: model.SpaceDoc, *, timeout: float | None = None) -> model.GetSpaceResult:
        found: Any = self.docs.get(model.ref_of(doc))
        there = found is not None
        return model.GetSpaceResult(
            space=found or doc, metadata_exists=there, cgroup_exists=there, cni_network_exists=there
        )

    def get_stack(self, doc: model.StackDoc, *, timeout: float | None = None) -> model.GetStackResult:
        found: Any = self.docs.get(model.ref_of(doc))
        return model.GetStackResult(
            stack=found or doc, metadata_exists=found is not None, cgroup_exists=found is not None
        )

    def get_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.GetCellResult:
        self._check("get_cell")
        if self.states:
            ref = model.ref_of(doc)
            status = msgspec.structs.replace(self.docs[ref].status, **self.states.pop(0))
            self.docs[ref] = msgspec.structs.replace(self.docs[ref], status=status)
        found: Any = self.docs.get(model.ref_of(doc))
        return model.GetCellResult(cell=found or doc, metadata_exists=found is not None)

    def _list(self, kind: str, *names: str) -> tuple[Any, ...]:
        refs = (ref for ref in self.docs if ref.kind == kind)
        chosen = [ref for ref in refs if all(a in ("", b) for a, b in zip(names, ref.parts, strict=False))]
        return tuple(self.docs[ref] for ref in sorted(chosen))

    def list_realms(self, *, timeout: float | None = None) -> tuple[model.RealmDoc, ...]:
        self._check("list_realms")
        return self._list("Realm")

    def list_spaces(self, realm_name: str = "", *, timeout: float | None = None) -> tuple[model.SpaceDoc, ...]:
        return self._list("Space", realm_name)

    def list_stacks(
        self, realm_name: str = "", space_name: str = "", *, timeout: float | None = None
    ) -> tuple[model.StackDoc, ...]:
        return self._list("Stack", realm_name, space_name)

    def list_cells(
        self, realm_name: str = "", space_name: str = "", stack_name: str = "", *, timeout: float | None = None
    ) -> tuple[model.CellDoc, ...]:
        self._check("list_cells")
        return self._list("Cell", realm_name, space_name, stack_name)

    def _cell(self, doc: model.CellDoc, method: str, state: model.CellState) -> tuple[model.CellDoc, bool]:
        self._check(method)
        found = self._find(model.ref_of(doc))
        assert isinstance(found, model.CellDoc)
        changed = found.status.state is not state
        status = msgspec.structs.replace(found.status, state=state)
        new = msgspec.structs.replace(found, status=status)
        self.docs[model.ref_of(doc)] = new
        return new, changed

    def start_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.StartCellResult:
        cell, changed = self._cell(doc, "start_cell", model.CellState.READY)
        return model.StartCellResult(cell=cell, started=changed)

    def stop_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.StopCellResult:
        cell, changed = self._cell(doc, "stop_cell", model.CellState.STOPPED)
        return model.StopCellResult(cell=cell, stopped=changed)

    def kill_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.KillCellResult:
        cell, changed = self._cell(doc, "kill_cell", model.CellState.STOPPED)
        return model.KillCellResult(cell=cell, killed=changed)

    def _container(self, doc: model.ContainerDoc) -> model.ContainerDoc:
        ref = model.ref_of(doc)
        assert ref.parent is not None
        cell = self._find(ref.parent)
        assert isinstance(cell, model.CellDoc)
        if ref.name not in {each.id for each in cell.spec.containers}:
            raise errors.ContainerNotFound(f"cannot find container {str(ref)!r}")
        return doc

    def start_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.StartContainerResult:
        return model.StartContainerResult(container=self._container(doc), started=True)

    def stop_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.StopContainerResult:
        return model.StopContainerResult(container=self._container(doc), stopped=True)

    def kill_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.KillContainerResult:
        return model.KillContainerResult(container=self._container(doc), killed=True)

    def restart_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.RestartCellResult:
        before = self._find(model.ref_of(doc))
        assert isinstance(before, model.CellDoc)
        cell, _ = self._cell(doc, "restart_cell", model.CellState.READY)
        return model.RestartCellResult(cell=cell, restarted=before.status.state is model.CellState.READY)

    def restart_container(
        self, doc: model.ContainerDoc, *, timeout: float | None = None
    ) -> model.RestartContainerResult:
        return model.RestartContainerResult(container=self._container(doc), restarted=True)

    def create_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.CreateContainerResult:
        ref = model.ref_of(doc)
        for parent in ref.ancestors:
            self._find(parent)
        assert ref.parent is not None
        cell = self.docs[ref.parent]
        assert isinstance(cell, model.CellDoc)
        doc = normalise.normalise(doc)
        was = ref.name in {each.id for each in cell.spec.containers}
        if not was:
            if doc.spec.image not in self.images[ref.realm]:
                raise errors.ImageNotFound(f"cannot find image {doc.spec.image!r} in realm {ref.realm!r}")
            spec = msgspec.structs.replace(cell.spec, containers=(*cell.spec.containers, doc.spec))
            self.docs[ref.parent] = self._running(msgspec.structs.replace(cell, spec=spec))
        return model.CreateContainerResult(
            container=doc,
            cell_metadata_exists_pre=True,
            cell_metadata_exists_post=True,
            container_exists_pre=was,
            container_exists_post=True,
            container_created=not was,
            started=not was,
        )

    def delete_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.DeleteContainerResult:
        self._container(doc)
        self._drop(model.ref_of(doc))
        return model.DeleteContainerResult(
            container=doc, cell_metadata_exists=True, container_exists=True, deleted=("container",)
        )

    def _drop(self, ref: model.Ref) -> None:
        assert ref.parent is not None
        cell = self.docs[ref.parent]
        assert isinstance(cell, model.CellDoc)
        left = tuple(each for each in cell.spec.containers if each.id != ref.name)
        self.docs[ref.parent] = self._running(
            msgspec.structs.replace(cell, spec=msgspec.structs.replace(cell.spec, containers=left))
        )

    def refresh_all(self, *, timeout: float | None = None) -> model.RefreshAllResult:
        if self.answers.get("refresh_all"):
            result: model.RefreshAllResult = self.answers["refresh_all"].pop(0)
            return result
        found = {
            f"{kind.lower()}s_found": tuple(str(ref) for ref in sorted(self.docs) if ref.kind == kind)
            for kind in model.KINDS
        }
        return model.RefreshAllResult(**found)

    def _purge(self, doc: Any, cascade: bool) -> dict[str, Any]:
        ref = model.ref_of(doc)
        if ref not in self.docs:
            return {"purge_succeeded": True}
        self._delete(doc, cascade=cascade)
        return {"purge_succeeded": True, "deleted": ("metadata", "cgroup"), "purged": ("files",)}

    def purge_realm(
        self, doc: model.RealmDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.PurgeRealmResult:
        return model.PurgeRealmResult(realm=doc, force=force, cascade=cascade, **self._purge(doc, force or cascade))

    def purge_space(
        self, doc: model.SpaceDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.PurgeSpaceResult:
        done = self._purge(doc, force or cascade)
        return model.PurgeSpaceResult(space=doc, metadata_deleted="deleted" in done, **done)

    def purge_stack(
        self, doc: model.StackDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.PurgeStackResult:
        return model.PurgeStackResult(stack=doc, **self._purge(doc, force or cascade))

    def purge_cell(
        self, doc: model.CellDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.PurgeCellResult:
        return model.PurgeCellResult(cell=doc, **self._purge(doc, True))

    def purge_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.PurgeContainerResult:
        ref = model.ref_of(doc)
        cell = self.docs.get(ref.parent) if ref.parent else None
        there = isinstance(cell, model.CellDoc) and ref.name in {each.id for each in cell.spec.containers}
        if there:
            self._drop(ref)
        return model.PurgeContainerResult(container=doc, deleted=("container",) if there else ())

    def delete_documents(
        self, raw_yaml: bytes, cascade: bool = False, force: bool = False, *, timeout: float | None = None
    ) -> model.DeleteDocumentsResult:
        self._check("delete_documents")
        order: dict[str, int] = {kind: number for number, kind in enumerate(model.KINDS)}
        documents = sorted(manifest.parse(raw_yaml, source="manifest"), key=lambda each: -order[each.doc.kind])
        return model.DeleteDocumentsResult(
            resources=tuple(self._delete_document(document, cascade or force) for document in documents)
        )

    def _delete_document(self, document: manifest.Document, cascade: bool) -> model.DeleteResourceResult:
        doc = document.doc
        ref = model.ref_of(doc)
        about: dict[str, Any] = {"index": document.index, "kind": doc.kind, "name": ref.name}
        if isinstance(doc, model.ContainerDoc):
            try:
                self.delete_container(doc)
            except errors.NotFound:
                return model.DeleteResourceResult(**about, action=model.DeleteAction.NOT_FOUND)
            return model.DeleteResourceResult(**about, action=model.DeleteAction.DELETED)
        if ref not in self.docs:
            return model.DeleteResourceResult(**about, action=model.DeleteAction.NOT_FOUND)
        inside = [f"{other.kind.lower()}:{other.name}" for other in self.docs if other != ref and ref.contains(other)]
        try:
            self._delete(doc, cascade=cascade)
        except errors.KukeonError as error:
            details = {"kind": error.kind, "hint": error.hint}
            return model.DeleteResourceResult(
                **about, action=model.DeleteAction.FAILED, error=str(error), details=details
            )
        return model.DeleteResourceResult(**about, action=model.DeleteAction.DELETED, cascaded=tuple(inside))

    def log_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.LogContainerResult:
        self._container(doc)
        return model.LogContainerResult(host_log_path=self.logs[model.ref_of(doc)])

    def _delete(self, doc: Any, *, cascade: bool) -> Any:
        ref = model.ref_of(doc)
        found = self._find(ref)
        inside = [other for other in self.docs if other != ref and ref.contains(other)]
        if inside and not cascade:
            raise errors.ResourceHasDependencies(
                f"cannot delete {ref.kind.lower()} {str(ref)!r}: {len(inside)} resources inside",
                hint="delete them first or pass --cascade",
            )
        for other in (*inside, ref):
            del self.docs[other]
        return found

    def delete_realm(
        self, doc: model.RealmDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.DeleteRealmResult:
        return model.DeleteRealmResult(realm=self._delete(doc, cascade=cascade or force), metadata_deleted=True)

    def delete_space(
        self, doc: model.SpaceDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.DeleteSpaceResult:
        return model.DeleteSpaceResult(space=self._delete(doc, cascade=cascade or force), metadata_deleted=True)

    def delete_stack(
        self, doc: model.StackDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.DeleteStackResult:
        return model.DeleteStackResult(stack=self._delete(doc, cascade=cascade or force), metadata_deleted=True)

    def delete_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.DeleteCellResult:
        self._check("delete_cell")
        return model.DeleteCellResult(cell=self._delete(doc, cascade=True), metadata_deleted=True)

    def apply_documents(
        self, raw_yaml: bytes, dry_run: bool = False, prune: str = "", *, timeout: float | None = None
    ) -> model.ApplyDocumentsResult:
        self._check("apply_documents")
        self.received.append(raw_yaml)
        if self.answers.get("apply_documents"):
            result: model.ApplyDocumentsResult = self.answers["apply_documents"].pop(0)
            return result
        documents = manifest.parse(raw_yaml, source="manifest")
        order: dict[str, int] = {kind: number for number, kind in enumerate(model.KINDS)}
        documents.sort(key=lambda document: order[document.doc.kind])
        before = dict(self.docs)
        results = [self._apply(document) for document in documents]
        if prune:
            results += self._prune(prune, {model.ref_of(document.doc) for document in documents})
        if dry_run:
            self.docs = before
        return model.ApplyDocumentsResult(resources=tuple(results))

    def _prune(self, text: str, kept: set[model.Ref]) -> list[model.ApplyResourceResult]:
        wanted = selector.Selector.parse(text)
        gone = [ref for ref in self.docs if ref not in kept and wanted.matches(self.docs[ref].metadata.labels)]
        for ref in gone:
            del self.docs[ref]
        return [
            model.ApplyResourceResult(index=-1, kind=ref.kind, name=ref.name, action=model.ApplyAction.PRUNED)
            for ref in gone
        ]

    def _apply(self, document: manifest.Document) -> model.ApplyResourceResult:
        doc = normalise.normalise(document.doc)
        ref = model.ref_of(doc)
        about: dict[str, Any] = {"index": document.index, "kind": doc.kind, "name": ref.name}
        before = self.docs.get(ref)
        try:
            for parent in ref.ancestors:
                if parent not in self.docs:
                    self.put(parent)
            if isinstance(doc, model.CellDoc):
                self.docs[ref] = self._started(doc)
            elif isinstance(doc, model.RealmDoc):
                self._apply_realm(ref, doc)
            else:
                self.put(ref)
        except errors.KukeonError as error:
            details = {"kind": error.kind, "hint": error.hint}
            return model.ApplyResourceResult(
                **about, action=model.ApplyAction.FAILED, error=str(error), details=details
            )
        if before is None:
            return model.ApplyResourceResult(**about, action=model.ApplyAction.CREATED)
        if before.spec == self.docs[ref].spec:
            return model.ApplyResourceResult(**about, action=model.ApplyAction.UNCHANGED)
        changes = ('container "web" updated: image',)
        return model.ApplyResourceResult(**about, action=model.ApplyAction.UPDATED, changes=changes)

    def _apply_realm(self, ref: model.Ref, doc: model.RealmDoc) -> None:
        found = self.docs.get(ref) or self.put(ref)
        assert isinstance(found, model.RealmDoc)
        if doc.metadata.generation and doc.metadata.generation < found.metadata.generation:
            raise errors.StaleResource(f"cannot apply realm {str(ref)!r}: it was changed", hint="get it again")
        self.passwords |= {
            each.server_address: each.password for each in doc.spec.registry_credentials if each.password
        }
        shown = tuple(msgspec.structs.replace(each, password="") for each in doc.spec.registry_credentials)
        spec = msgspec.structs.replace(found.spec, registry_credentials=shown)
        self.docs[ref] = msgspec.structs.replace(found, spec=spec)

    def load_image(self, realm: str, tarball: Any, *, timeout: float | None = None) -> model.LoadImageResult:
        self._check("load_image")
        self._find(model.Ref(realm))
        content = b"".join(tarball)
        self.received.append(content)
        if not content:
            raise errors.TarballRequired("cannot load an image: the archive is empty")
        name = image_ref.normalise(content.decode())
        self.load(realm, name)
        return model.LoadImageResult(realm=realm, namespace=f"{realm}.kukeon.io", images=(name,))

    def list_images(self, realm: str, *, timeout: float | None = None) -> model.ListImagesResult:
        self._find(model.Ref(realm))
        return model.ListImagesResult(realm=realm, images=tuple(self.images[realm].values()))

    def get_image(self, realm: str, ref: str, *, timeout: float | None = None) -> model.GetImageResult:
        return model.GetImageResult(realm=realm, image=self._image(realm, ref))

    def delete_image(self, realm: str, ref: str, *, timeout: float | None = None) -> model.DeleteImageResult:
        name = self._image(realm, ref).name
        del self.images[realm][name]
        return model.DeleteImageResult(realm=realm, namespace=f"{realm}.kukeon.io", ref=name)

    def _image(self, realm: str, ref: str) -> model.ImageInfo:
        self._find(model.Ref(realm))
        name = image_ref.normalise(ref)
        if name not in self.images[realm]:
            raise errors.ImageNotFound(f"cannot find image {name!r} in realm {realm!r}")
        return self.images[realm][name]


def _flags(was: bool, *fields: str) -> dict[str, bool]:
    return {f"{field}_exists_pre": was for field in fields} | {f"{field}_exists_post": True for field in fields}
