"""The nouns of kukeon: documents, what they contain, and what methods answer.

Importing this brings neither gRPC nor protobuf.
"""

from __future__ import annotations

from typing import assert_never

from kukeon_api.errors import APIError, Problem
from kukeon_api.model.base import API_VERSION, Metadata, Model, Name, OptionalName, Status, Time
from kukeon_api.model.cell import (
    CellDoc,
    CellNetworkStatus,
    CellSpec,
    CellState,
    CellStatus,
    CellTty,
    DesiredState,
)
from kukeon_api.model.configuration import (
    ClientConfiguration,
    ClientConfigurationSpec,
    ConfigurationMetadata,
    ServerConfiguration,
    ServerConfigurationSpec,
)
from kukeon_api.model.container import (
    Capabilities,
    ContainerDoc,
    ContainerSecret,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    ContainerTty,
    Resources,
    Tmpfs,
    TtyStage,
    VolumeKind,
    VolumeMount,
)
from kukeon_api.model.image import (
    ImageConfig,
    ImageInfo,
    ImageLayer,
    ImagePlatform,
    PrunedImage,
    RegistryLogin,
    TransferEvent,
    TransferResult,
    TransferStage,
)
from kukeon_api.model.profile import CellProfile, CellProfileSpec, ProfileParameter
from kukeon_api.model.realm import RealmDoc, RealmSpec, RealmState, RealmStatus, RegistryCredentials
from kukeon_api.model.ref import KINDS, Kind, Ref
from kukeon_api.model.removal import (
    DeleteAction,
    DeleteCellResult,
    DeleteContainerResult,
    DeleteDocumentsResult,
    DeleteRealmResult,
    DeleteResourceResult,
    DeleteSpaceResult,
    DeleteStackResult,
    PurgeCellResult,
    PurgeContainerResult,
    PurgeRealmResult,
    PurgeSpaceResult,
    PurgeStackResult,
)
from kukeon_api.model.results import (
    ApplyAction,
    ApplyDocumentsResult,
    ApplyResourceResult,
    AttachContainerResult,
    ContainerCreationOutcome,
    CreateCellResult,
    CreateContainerResult,
    CreateRealmResult,
    CreateSpaceResult,
    CreateStackResult,
    Damage,
    DeleteImageResult,
    GetCellResult,
    GetContainerResult,
    GetImageResult,
    GetRealmResult,
    GetSpaceResult,
    GetStackResult,
    KillCellResult,
    KillContainerResult,
    ListImagesResult,
    LoadImageResult,
    LogContainerResult,
    PingResult,
    PruneImagesResult,
    RefreshAllResult,
    ResizeTerminalResult,
    RestartCellResult,
    RestartContainerResult,
    StartCellResult,
    StartContainerResult,
    StopCellResult,
    StopContainerResult,
    StorageUse,
    TagImageResult,
)
from kukeon_api.model.space import (
    ContainerDefaults,
    EgressPolicy,
    EgressRule,
    SpaceDefaults,
    SpaceDoc,
    SpaceNetwork,
    SpaceSpec,
    SpaceState,
    SpaceStatus,
)
from kukeon_api.model.stack import StackDoc, StackSpec, StackState, StackStatus
from kukeon_api.model.streams import (
    ArchivePiece,
    AttachEnded,
    Event,
    EventType,
    ExecStarted,
    ExitStatus,
    LogEntry,
    LogStream,
    WindowSize,
)
from kukeon_api.names import (
    DEFAULT_REALM,
    DEFAULT_SPACE,
    DEFAULT_STACK,
    ROOT,
    SYSTEM_REALM,
)

Doc = RealmDoc | SpaceDoc | StackDoc | CellDoc | ContainerDoc

DOCS: dict[str, type[Doc]] = {
    "Realm": RealmDoc,
    "Space": SpaceDoc,
    "Stack": StackDoc,
    "Cell": CellDoc,
    "Container": ContainerDoc,
}
"""Kind -> document type, in the order of creation."""


def ref_of(doc: Doc) -> Ref:
    """Return where `doc` is; raises `Invalid` when a name is missing or wrong."""
    name = doc.metadata.name
    match doc:
        case RealmDoc():
            return Ref(name)
        case SpaceDoc(spec=spec):
            return Ref(spec.realm_id, name)
        case StackDoc(spec=spec):
            return Ref(spec.realm_id, spec.space_id, name)
        case CellDoc(spec=spec):
            return Ref(spec.realm_id, spec.space_id, spec.stack_id, name)
        case ContainerDoc(spec=container):
            return Ref(container.realm_id, container.space_id, container.stack_id, container.cell_id, name)
        case unreachable:
            assert_never(unreachable)


__all__ = [
    "RegistryLogin",
    "TransferEvent",
    "TransferResult",
    "TransferStage",
    "ArchivePiece",
    "AttachContainerResult",
    "AttachEnded",
    "Event",
    "EventType",
    "ExecStarted",
    "ExitStatus",
    "LogEntry",
    "LogStream",
    "ResizeTerminalResult",
    "WindowSize",
    "CreateContainerResult",
    "DeleteAction",
    "DeleteContainerResult",
    "DeleteDocumentsResult",
    "DeleteResourceResult",
    "PurgeCellResult",
    "PurgeContainerResult",
    "PurgeRealmResult",
    "PurgeSpaceResult",
    "PurgeStackResult",
    "RefreshAllResult",
    "RestartCellResult",
    "RestartContainerResult",
    "API_VERSION",
    "DEFAULT_REALM",
    "DEFAULT_SPACE",
    "DEFAULT_STACK",
    "DOCS",
    "KINDS",
    "ROOT",
    "SYSTEM_REALM",
    "APIError",
    "ApplyAction",
    "ApplyDocumentsResult",
    "ApplyResourceResult",
    "Capabilities",
    "CellDoc",
    "CellNetworkStatus",
    "CellProfile",
    "CellProfileSpec",
    "CellSpec",
    "CellState",
    "CellStatus",
    "CellTty",
    "ClientConfiguration",
    "ClientConfigurationSpec",
    "ConfigurationMetadata",
    "ContainerCreationOutcome",
    "ContainerDefaults",
    "ContainerDoc",
    "ContainerSecret",
    "ContainerSpec",
    "ContainerState",
    "ContainerStatus",
    "ContainerTty",
    "CreateCellResult",
    "CreateRealmResult",
    "CreateSpaceResult",
    "CreateStackResult",
    "DeleteCellResult",
    "DeleteImageResult",
    "DeleteRealmResult",
    "DeleteSpaceResult",
    "DeleteStackResult",
    "DesiredState",
    "Doc",
    "EgressPolicy",
    "EgressRule",
    "GetCellResult",
    "GetContainerResult",
    "GetImageResult",
    "GetRealmResult",
    "GetSpaceResult",
    "GetStackResult",
    "ImageConfig",
    "ImageInfo",
    "ImageLayer",
    "ImagePlatform",
    "KillCellResult",
    "KillContainerResult",
    "Kind",
    "ListImagesResult",
    "LoadImageResult",
    "LogContainerResult",
    "Metadata",
    "Model",
    "Name",
    "OptionalName",
    "PingResult",
    "Problem",
    "ProfileParameter",
    "PruneImagesResult",
    "PrunedImage",
    "RealmDoc",
    "RealmSpec",
    "RealmState",
    "RealmStatus",
    "Ref",
    "RegistryCredentials",
    "Resources",
    "ServerConfiguration",
    "ServerConfigurationSpec",
    "SpaceDefaults",
    "SpaceDoc",
    "SpaceNetwork",
    "SpaceSpec",
    "SpaceState",
    "SpaceStatus",
    "StackDoc",
    "StackSpec",
    "StackState",
    "StackStatus",
    "StartCellResult",
    "StartContainerResult",
    "Status",
    "StopCellResult",
    "StopContainerResult",
    "TagImageResult",
    "StorageUse",
    "Damage",
    "Time",
    "Tmpfs",
    "TtyStage",
    "VolumeKind",
    "VolumeMount",
    "ref_of",
]
