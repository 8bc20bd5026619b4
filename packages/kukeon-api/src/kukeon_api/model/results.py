"""What the methods answer.

`*_exists_pre` was seen before the work, `*_exists_post` after it; `*_created`, `started`, `deleted` say what this call
did.
"""

from __future__ import annotations

import enum

import msgspec

from kukeon_api.model.base import Model, OptionalName
from kukeon_api.model.cell import CellDoc
from kukeon_api.model.container import ContainerDoc
from kukeon_api.model.image import ImageInfo, PrunedImage
from kukeon_api.model.realm import RealmDoc
from kukeon_api.model.space import SpaceDoc
from kukeon_api.model.stack import StackDoc


class CreateRealmResult(Model):
    """Of CreateRealm."""

    realm: RealmDoc
    metadata_exists_pre: bool = False
    metadata_exists_post: bool = False
    cgroup_exists_pre: bool = False
    cgroup_exists_post: bool = False
    cgroup_created: bool = False
    containerd_namespace_exists_pre: bool = False
    containerd_namespace_exists_post: bool = False
    containerd_namespace_created: bool = False
    created: bool = False


class CreateSpaceResult(Model):
    """Of CreateSpace."""

    space: SpaceDoc
    metadata_exists_pre: bool = False
    metadata_exists_post: bool = False
    cgroup_exists_pre: bool = False
    cgroup_exists_post: bool = False
    cgroup_created: bool = False
    cni_network_exists_pre: bool = False
    cni_network_exists_post: bool = False
    cni_network_created: bool = False
    created: bool = False


class CreateStackResult(Model):
    """Of CreateStack."""

    stack: StackDoc
    metadata_exists_pre: bool = False
    metadata_exists_post: bool = False
    cgroup_exists_pre: bool = False
    cgroup_exists_post: bool = False
    cgroup_created: bool = False
    created: bool = False


class ContainerCreationOutcome(Model):
    """What CreateCell did for one container."""

    name: str
    exists_pre: bool = False
    exists_post: bool = False
    created: bool = False


class CreateCellResult(Model):
    """Of CreateCell."""

    cell: CellDoc
    metadata_exists_pre: bool = False
    metadata_exists_post: bool = False
    cgroup_exists_pre: bool = False
    cgroup_exists_post: bool = False
    cgroup_created: bool = False
    root_container_exists_pre: bool = False
    root_container_exists_post: bool = False
    root_container_created: bool = False
    started_pre: bool = False
    started_post: bool = False
    started: bool = False
    created: bool = False
    containers: tuple[ContainerCreationOutcome, ...] = ()


class CreateContainerResult(Model):
    """Of CreateContainer."""

    container: ContainerDoc
    cell_metadata_exists_pre: bool = False
    cell_metadata_exists_post: bool = False
    container_exists_pre: bool = False
    container_exists_post: bool = False
    container_created: bool = False
    started: bool = False


class GetRealmResult(Model):
    """Of GetRealm; `metadata_exists` False means that there is no such realm and `realm` is what was asked with."""

    realm: RealmDoc
    metadata_exists: bool = False
    cgroup_exists: bool = False
    containerd_namespace_exists: bool = False


class GetSpaceResult(Model):
    """Of GetSpace; see GetRealmResult."""

    space: SpaceDoc
    metadata_exists: bool = False
    cgroup_exists: bool = False
    cni_network_exists: bool = False


class GetStackResult(Model):
    """Of GetStack; see GetRealmResult."""

    stack: StackDoc
    metadata_exists: bool = False
    cgroup_exists: bool = False


class GetCellResult(Model):
    """Of GetCell; see GetRealmResult."""

    cell: CellDoc
    metadata_exists: bool = False
    cgroup_exists: bool = False
    root_container_exists: bool = False


class GetContainerResult(Model):
    """Of GetContainer; `container_exists` tells whether containerd has a record of it."""

    container: ContainerDoc
    cell_metadata_exists: bool = False
    container_exists: bool = False


class StartCellResult(Model):
    """Of StartCell."""

    cell: CellDoc
    started: bool = False


class StopCellResult(Model):
    """Of StopCell."""

    cell: CellDoc
    stopped: bool = False


class KillCellResult(Model):
    """Of KillCell."""

    cell: CellDoc
    killed: bool = False


class StartContainerResult(Model):
    """Of StartContainer."""

    container: ContainerDoc
    started: bool = False


class StopContainerResult(Model):
    """Of StopContainer."""

    container: ContainerDoc
    stopped: bool = False


class KillContainerResult(Model):
    """Of KillContainer."""

    container: ContainerDoc
    killed: bool = False


class RestartCellResult(Model):
    """Of RestartCell."""

    cell: CellDoc
    restarted: bool = False


class RestartContainerResult(Model):
    """Of RestartContainer."""

    container: ContainerDoc
    restarted: bool = False


class RefreshAllResult(Model):
    """Of RefreshAll: what is there and what of it had another status, as paths like `realm/space/stack/cell/id`.

    `errors` has a line for each resource whose state could not be told.
    """

    realms_found: tuple[str, ...] = ()
    spaces_found: tuple[str, ...] = ()
    stacks_found: tuple[str, ...] = ()
    cells_found: tuple[str, ...] = ()
    containers_found: tuple[str, ...] = ()
    realms_updated: tuple[str, ...] = ()
    spaces_updated: tuple[str, ...] = ()
    stacks_updated: tuple[str, ...] = ()
    cells_updated: tuple[str, ...] = ()
    containers_updated: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


class AttachContainerResult(Model):
    """Of AttachContainer: the socket on the host that speaks for the container's terminal."""

    host_socket_path: str = ""


class LogContainerResult(Model):
    """Of LogContainer: where the output is on the host; exactly one path is set."""

    host_capture_path: str = ""
    host_log_path: str = ""


class ApplyAction(enum.StrEnum):
    """What apply did with one document."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    RECREATED = "recreated"
    PRUNED = "pruned"


class ApplyResourceResult(Model, kw_only=True):
    """Of one document; `index` is its 0-based position in the input.

    `details` has the error's `kind` and `hint` where it failed, else for each changed path what it was and is now.
    """

    index: int = 0
    kind: str = ""
    name: str = ""
    action: ApplyAction
    error: str = ""
    changes: tuple[str, ...] = ()
    details: dict[str, str] = msgspec.field(default_factory=dict)


class ApplyDocumentsResult(Model):
    """Of ApplyDocuments, in the order of the work: realms first, containers last."""

    resources: tuple[ApplyResourceResult, ...] = ()


class LoadImageResult(Model):
    """Of LoadImage: the names of the images now in the realm."""

    realm: OptionalName = ""
    namespace: str = ""
    images: tuple[str, ...] = ()


class ListImagesResult(Model):
    """Of ListImages."""

    realm: OptionalName = ""
    namespace: str = ""
    images: tuple[ImageInfo, ...] = ()


class GetImageResult(Model, kw_only=True):
    """Of GetImage."""

    realm: OptionalName = ""
    namespace: str = ""
    image: ImageInfo


class DeleteImageResult(Model):
    """Of DeleteImage."""

    realm: OptionalName = ""
    namespace: str = ""
    ref: str = ""


class TagImageResult(Model):
    """Of TagImage: the new name in full, and what it points at now."""

    realm: OptionalName = ""
    namespace: str = ""
    image: str = ""
    digest: str = ""


class PruneImagesResult(Model):
    """Of PruneImages: what was removed, or would be, and the bytes that are free again."""

    realm: OptionalName = ""
    namespace: str = ""
    images: tuple[PrunedImage, ...] = ()
    reclaimed_bytes: int = 0
    dry_run: bool = False


class Damage(Model):
    """A file of a resource that cannot be read, and what to do about it."""

    message: str
    hint: str = ""


class StorageUse(Model):
    """How full the file system is that something lies on, for whoever is not root. No files: it does not count them."""

    name: str
    path: str
    total_bytes: int = 0
    free_bytes: int = 0
    total_files: int = 0
    free_files: int = 0


class PingResult(Model):
    """Of Ping: which daemon answers, and what it found on its host.

    `unreadable` has a line for each resource whose document is damaged: lists leave them out. `warnings` has
    them, too. `damaged` is about other files of resources, which are in the lists.
    """

    ok: bool = False
    version: str = ""
    instance_id: str = ""
    run_path: str = ""
    containerd_mode: str = ""
    containerd_version: str = ""
    containerd_socket: str = ""
    cgroup_mode: str = ""
    oci_runtime: str = ""
    warnings: tuple[str, ...] = ()
    pid: int = 0
    unreadable: tuple[str, ...] = ()
    damaged: tuple[Damage, ...] = ()
    snapshotter: str = ""
    storage: tuple[StorageUse, ...] = ()
    disk_warn_percent: int = 0


class ResizeTerminalResult(Model):
    """Of ResizeTerminal."""

    resized: bool = False
