"""What the methods that remove things answer.

`deleted` lists are path-like (`space:x`, `metadata`, `cgroup`), in the order of removal; the `purged` of a purge is
what it found beyond that (`cni-resources`, `files`), its `warnings` what it could not do and need not have done.
"""

from __future__ import annotations

import enum

import msgspec

from kukeon_api.model.base import Model, OptionalName
from kukeon_api.model.cell import CellDoc
from kukeon_api.model.container import ContainerDoc
from kukeon_api.model.realm import RealmDoc
from kukeon_api.model.space import SpaceDoc
from kukeon_api.model.stack import StackDoc


class DeleteRealmResult(Model):
    """Of DeleteRealm."""

    realm: RealmDoc
    deleted: tuple[str, ...] = ()
    metadata_deleted: bool = False
    cgroup_deleted: bool = False
    containerd_namespace_deleted: bool = False


class DeleteSpaceResult(Model):
    """Of DeleteSpace."""

    space: SpaceDoc
    space_name: OptionalName = ""
    realm_name: OptionalName = ""
    metadata_deleted: bool = False
    cgroup_deleted: bool = False
    cni_network_deleted: bool = False
    deleted: tuple[str, ...] = ()


class DeleteStackResult(Model):
    """Of DeleteStack."""

    stack: StackDoc
    stack_name: OptionalName = ""
    realm_name: OptionalName = ""
    space_name: OptionalName = ""
    metadata_deleted: bool = False
    cgroup_deleted: bool = False
    deleted: tuple[str, ...] = ()


class DeleteCellResult(Model):
    """Of DeleteCell."""

    cell: CellDoc
    containers_deleted: bool = False
    cgroup_deleted: bool = False
    metadata_deleted: bool = False


class DeleteContainerResult(Model):
    """Of DeleteContainer; the `exists` flags tell what was there before."""

    container: ContainerDoc
    cell_metadata_exists: bool = False
    container_exists: bool = False
    deleted: tuple[str, ...] = ()


class PurgeRealmResult(Model):
    """Of PurgeRealm; `namespace_removed`: containerd has no such namespace now, whoever removed it."""

    realm: RealmDoc
    realm_deleted: bool = False
    purge_succeeded: bool = False
    force: bool = False
    cascade: bool = False
    deleted: tuple[str, ...] = ()
    purged: tuple[str, ...] = ()
    namespace_removed: bool = False
    warnings: tuple[str, ...] = ()


class PurgeSpaceResult(Model):
    """Of PurgeSpace."""

    space: SpaceDoc
    metadata_deleted: bool = False
    cgroup_deleted: bool = False
    cni_network_deleted: bool = False
    purge_succeeded: bool = False
    force: bool = False
    cascade: bool = False
    deleted: tuple[str, ...] = ()
    purged: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class PurgeStackResult(Model):
    """Of PurgeStack."""

    stack: StackDoc
    deleted: tuple[str, ...] = ()
    purged: tuple[str, ...] = ()
    metadata_deleted: bool = False
    cgroup_deleted: bool = False
    purge_succeeded: bool = False
    force: bool = False
    cascade: bool = False
    warnings: tuple[str, ...] = ()


class PurgeCellResult(Model):
    """Of PurgeCell."""

    cell: CellDoc
    containers_deleted: bool = False
    cgroup_deleted: bool = False
    metadata_deleted: bool = False
    purge_succeeded: bool = False
    force: bool = False
    cascade: bool = False
    deleted: tuple[str, ...] = ()
    purged: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class PurgeContainerResult(Model):
    """Of PurgeContainer; the `exists` flags tell what was there before."""

    container: ContainerDoc
    cell_metadata_exists: bool = False
    container_exists: bool = False
    deleted: tuple[str, ...] = ()
    purged: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class DeleteAction(enum.StrEnum):
    """What `delete -f` did with one document; not to find it is no failure."""

    DELETED = "deleted"
    NOT_FOUND = "not found"
    FAILED = "failed"


class DeleteResourceResult(Model, kw_only=True):
    """Of one document; `index` is its 0-based position in the input, `cascaded` what went with it (`cell:web`)."""

    index: int = 0
    kind: str = ""
    name: str = ""
    action: DeleteAction
    error: str = ""
    cascaded: tuple[str, ...] = ()
    details: dict[str, str] = msgspec.field(default_factory=dict)


class DeleteDocumentsResult(Model):
    """Of DeleteDocuments, in the order of the work: containers first, realms last."""

    resources: tuple[DeleteResourceResult, ...] = ()
