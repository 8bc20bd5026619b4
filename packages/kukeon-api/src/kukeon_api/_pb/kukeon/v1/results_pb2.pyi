from kukeon_api._pb.kukeon.v1 import resources_pb2 as _resources_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ApplyAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    APPLY_ACTION_UNSPECIFIED: _ClassVar[ApplyAction]
    APPLY_ACTION_CREATED: _ClassVar[ApplyAction]
    APPLY_ACTION_UPDATED: _ClassVar[ApplyAction]
    APPLY_ACTION_UNCHANGED: _ClassVar[ApplyAction]
    APPLY_ACTION_FAILED: _ClassVar[ApplyAction]
    APPLY_ACTION_RECREATED: _ClassVar[ApplyAction]
    APPLY_ACTION_PRUNED: _ClassVar[ApplyAction]

class DeleteAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELETE_ACTION_UNSPECIFIED: _ClassVar[DeleteAction]
    DELETE_ACTION_DELETED: _ClassVar[DeleteAction]
    DELETE_ACTION_NOT_FOUND: _ClassVar[DeleteAction]
    DELETE_ACTION_FAILED: _ClassVar[DeleteAction]
APPLY_ACTION_UNSPECIFIED: ApplyAction
APPLY_ACTION_CREATED: ApplyAction
APPLY_ACTION_UPDATED: ApplyAction
APPLY_ACTION_UNCHANGED: ApplyAction
APPLY_ACTION_FAILED: ApplyAction
APPLY_ACTION_RECREATED: ApplyAction
APPLY_ACTION_PRUNED: ApplyAction
DELETE_ACTION_UNSPECIFIED: DeleteAction
DELETE_ACTION_DELETED: DeleteAction
DELETE_ACTION_NOT_FOUND: DeleteAction
DELETE_ACTION_FAILED: DeleteAction

class CreateRealmResult(_message.Message):
    __slots__ = ("realm", "metadata_exists_pre", "metadata_exists_post", "cgroup_exists_pre", "cgroup_exists_post", "cgroup_created", "containerd_namespace_exists_pre", "containerd_namespace_exists_post", "containerd_namespace_created", "created")
    REALM_FIELD_NUMBER: _ClassVar[int]
    METADATA_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    METADATA_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CGROUP_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    CGROUP_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CGROUP_CREATED_FIELD_NUMBER: _ClassVar[int]
    CONTAINERD_NAMESPACE_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    CONTAINERD_NAMESPACE_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CONTAINERD_NAMESPACE_CREATED_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    realm: _resources_pb2.RealmDoc
    metadata_exists_pre: bool
    metadata_exists_post: bool
    cgroup_exists_pre: bool
    cgroup_exists_post: bool
    cgroup_created: bool
    containerd_namespace_exists_pre: bool
    containerd_namespace_exists_post: bool
    containerd_namespace_created: bool
    created: bool
    def __init__(self, realm: _Optional[_Union[_resources_pb2.RealmDoc, _Mapping]] = ..., metadata_exists_pre: bool = ..., metadata_exists_post: bool = ..., cgroup_exists_pre: bool = ..., cgroup_exists_post: bool = ..., cgroup_created: bool = ..., containerd_namespace_exists_pre: bool = ..., containerd_namespace_exists_post: bool = ..., containerd_namespace_created: bool = ..., created: bool = ...) -> None: ...

class CreateSpaceResult(_message.Message):
    __slots__ = ("space", "metadata_exists_pre", "metadata_exists_post", "cgroup_exists_pre", "cgroup_exists_post", "cgroup_created", "cni_network_exists_pre", "cni_network_exists_post", "cni_network_created", "created")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    METADATA_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    METADATA_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CGROUP_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    CGROUP_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CGROUP_CREATED_FIELD_NUMBER: _ClassVar[int]
    CNI_NETWORK_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    CNI_NETWORK_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CNI_NETWORK_CREATED_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    space: _resources_pb2.SpaceDoc
    metadata_exists_pre: bool
    metadata_exists_post: bool
    cgroup_exists_pre: bool
    cgroup_exists_post: bool
    cgroup_created: bool
    cni_network_exists_pre: bool
    cni_network_exists_post: bool
    cni_network_created: bool
    created: bool
    def __init__(self, space: _Optional[_Union[_resources_pb2.SpaceDoc, _Mapping]] = ..., metadata_exists_pre: bool = ..., metadata_exists_post: bool = ..., cgroup_exists_pre: bool = ..., cgroup_exists_post: bool = ..., cgroup_created: bool = ..., cni_network_exists_pre: bool = ..., cni_network_exists_post: bool = ..., cni_network_created: bool = ..., created: bool = ...) -> None: ...

class CreateStackResult(_message.Message):
    __slots__ = ("stack", "metadata_exists_pre", "metadata_exists_post", "cgroup_exists_pre", "cgroup_exists_post", "cgroup_created", "created")
    STACK_FIELD_NUMBER: _ClassVar[int]
    METADATA_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    METADATA_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CGROUP_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    CGROUP_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CGROUP_CREATED_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    stack: _resources_pb2.StackDoc
    metadata_exists_pre: bool
    metadata_exists_post: bool
    cgroup_exists_pre: bool
    cgroup_exists_post: bool
    cgroup_created: bool
    created: bool
    def __init__(self, stack: _Optional[_Union[_resources_pb2.StackDoc, _Mapping]] = ..., metadata_exists_pre: bool = ..., metadata_exists_post: bool = ..., cgroup_exists_pre: bool = ..., cgroup_exists_post: bool = ..., cgroup_created: bool = ..., created: bool = ...) -> None: ...

class ContainerCreationOutcome(_message.Message):
    __slots__ = ("name", "exists_pre", "exists_post", "created")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    name: str
    exists_pre: bool
    exists_post: bool
    created: bool
    def __init__(self, name: _Optional[str] = ..., exists_pre: bool = ..., exists_post: bool = ..., created: bool = ...) -> None: ...

class CreateCellResult(_message.Message):
    __slots__ = ("cell", "metadata_exists_pre", "metadata_exists_post", "cgroup_exists_pre", "cgroup_exists_post", "cgroup_created", "root_container_exists_pre", "root_container_exists_post", "root_container_created", "started_pre", "started_post", "started", "created", "containers")
    CELL_FIELD_NUMBER: _ClassVar[int]
    METADATA_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    METADATA_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CGROUP_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    CGROUP_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CGROUP_CREATED_FIELD_NUMBER: _ClassVar[int]
    ROOT_CONTAINER_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    ROOT_CONTAINER_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    ROOT_CONTAINER_CREATED_FIELD_NUMBER: _ClassVar[int]
    STARTED_PRE_FIELD_NUMBER: _ClassVar[int]
    STARTED_POST_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    cell: _resources_pb2.CellDoc
    metadata_exists_pre: bool
    metadata_exists_post: bool
    cgroup_exists_pre: bool
    cgroup_exists_post: bool
    cgroup_created: bool
    root_container_exists_pre: bool
    root_container_exists_post: bool
    root_container_created: bool
    started_pre: bool
    started_post: bool
    started: bool
    created: bool
    containers: _containers.RepeatedCompositeFieldContainer[ContainerCreationOutcome]
    def __init__(self, cell: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ..., metadata_exists_pre: bool = ..., metadata_exists_post: bool = ..., cgroup_exists_pre: bool = ..., cgroup_exists_post: bool = ..., cgroup_created: bool = ..., root_container_exists_pre: bool = ..., root_container_exists_post: bool = ..., root_container_created: bool = ..., started_pre: bool = ..., started_post: bool = ..., started: bool = ..., created: bool = ..., containers: _Optional[_Iterable[_Union[ContainerCreationOutcome, _Mapping]]] = ...) -> None: ...

class CreateContainerResult(_message.Message):
    __slots__ = ("container", "cell_metadata_exists_pre", "cell_metadata_exists_post", "container_exists_pre", "container_exists_post", "container_created", "started")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    CELL_METADATA_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    CELL_METADATA_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_EXISTS_PRE_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_EXISTS_POST_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_CREATED_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    container: _resources_pb2.ContainerDoc
    cell_metadata_exists_pre: bool
    cell_metadata_exists_post: bool
    container_exists_pre: bool
    container_exists_post: bool
    container_created: bool
    started: bool
    def __init__(self, container: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ..., cell_metadata_exists_pre: bool = ..., cell_metadata_exists_post: bool = ..., container_exists_pre: bool = ..., container_exists_post: bool = ..., container_created: bool = ..., started: bool = ...) -> None: ...

class GetRealmResult(_message.Message):
    __slots__ = ("realm", "metadata_exists", "cgroup_exists", "containerd_namespace_exists")
    REALM_FIELD_NUMBER: _ClassVar[int]
    METADATA_EXISTS_FIELD_NUMBER: _ClassVar[int]
    CGROUP_EXISTS_FIELD_NUMBER: _ClassVar[int]
    CONTAINERD_NAMESPACE_EXISTS_FIELD_NUMBER: _ClassVar[int]
    realm: _resources_pb2.RealmDoc
    metadata_exists: bool
    cgroup_exists: bool
    containerd_namespace_exists: bool
    def __init__(self, realm: _Optional[_Union[_resources_pb2.RealmDoc, _Mapping]] = ..., metadata_exists: bool = ..., cgroup_exists: bool = ..., containerd_namespace_exists: bool = ...) -> None: ...

class GetSpaceResult(_message.Message):
    __slots__ = ("space", "metadata_exists", "cgroup_exists", "cni_network_exists")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    METADATA_EXISTS_FIELD_NUMBER: _ClassVar[int]
    CGROUP_EXISTS_FIELD_NUMBER: _ClassVar[int]
    CNI_NETWORK_EXISTS_FIELD_NUMBER: _ClassVar[int]
    space: _resources_pb2.SpaceDoc
    metadata_exists: bool
    cgroup_exists: bool
    cni_network_exists: bool
    def __init__(self, space: _Optional[_Union[_resources_pb2.SpaceDoc, _Mapping]] = ..., metadata_exists: bool = ..., cgroup_exists: bool = ..., cni_network_exists: bool = ...) -> None: ...

class GetStackResult(_message.Message):
    __slots__ = ("stack", "metadata_exists", "cgroup_exists")
    STACK_FIELD_NUMBER: _ClassVar[int]
    METADATA_EXISTS_FIELD_NUMBER: _ClassVar[int]
    CGROUP_EXISTS_FIELD_NUMBER: _ClassVar[int]
    stack: _resources_pb2.StackDoc
    metadata_exists: bool
    cgroup_exists: bool
    def __init__(self, stack: _Optional[_Union[_resources_pb2.StackDoc, _Mapping]] = ..., metadata_exists: bool = ..., cgroup_exists: bool = ...) -> None: ...

class GetCellResult(_message.Message):
    __slots__ = ("cell", "metadata_exists", "cgroup_exists", "root_container_exists")
    CELL_FIELD_NUMBER: _ClassVar[int]
    METADATA_EXISTS_FIELD_NUMBER: _ClassVar[int]
    CGROUP_EXISTS_FIELD_NUMBER: _ClassVar[int]
    ROOT_CONTAINER_EXISTS_FIELD_NUMBER: _ClassVar[int]
    cell: _resources_pb2.CellDoc
    metadata_exists: bool
    cgroup_exists: bool
    root_container_exists: bool
    def __init__(self, cell: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ..., metadata_exists: bool = ..., cgroup_exists: bool = ..., root_container_exists: bool = ...) -> None: ...

class GetContainerResult(_message.Message):
    __slots__ = ("container", "cell_metadata_exists", "container_exists")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    CELL_METADATA_EXISTS_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_EXISTS_FIELD_NUMBER: _ClassVar[int]
    container: _resources_pb2.ContainerDoc
    cell_metadata_exists: bool
    container_exists: bool
    def __init__(self, container: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ..., cell_metadata_exists: bool = ..., container_exists: bool = ...) -> None: ...

class StartCellResult(_message.Message):
    __slots__ = ("cell", "started")
    CELL_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    cell: _resources_pb2.CellDoc
    started: bool
    def __init__(self, cell: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ..., started: bool = ...) -> None: ...

class StopCellResult(_message.Message):
    __slots__ = ("cell", "stopped")
    CELL_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    cell: _resources_pb2.CellDoc
    stopped: bool
    def __init__(self, cell: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ..., stopped: bool = ...) -> None: ...

class KillCellResult(_message.Message):
    __slots__ = ("cell", "killed")
    CELL_FIELD_NUMBER: _ClassVar[int]
    KILLED_FIELD_NUMBER: _ClassVar[int]
    cell: _resources_pb2.CellDoc
    killed: bool
    def __init__(self, cell: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ..., killed: bool = ...) -> None: ...

class StartContainerResult(_message.Message):
    __slots__ = ("container", "started")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    container: _resources_pb2.ContainerDoc
    started: bool
    def __init__(self, container: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ..., started: bool = ...) -> None: ...

class StopContainerResult(_message.Message):
    __slots__ = ("container", "stopped")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    container: _resources_pb2.ContainerDoc
    stopped: bool
    def __init__(self, container: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ..., stopped: bool = ...) -> None: ...

class KillContainerResult(_message.Message):
    __slots__ = ("container", "killed")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    KILLED_FIELD_NUMBER: _ClassVar[int]
    container: _resources_pb2.ContainerDoc
    killed: bool
    def __init__(self, container: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ..., killed: bool = ...) -> None: ...

class RestartCellResult(_message.Message):
    __slots__ = ("cell", "restarted")
    CELL_FIELD_NUMBER: _ClassVar[int]
    RESTARTED_FIELD_NUMBER: _ClassVar[int]
    cell: _resources_pb2.CellDoc
    restarted: bool
    def __init__(self, cell: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ..., restarted: bool = ...) -> None: ...

class RestartContainerResult(_message.Message):
    __slots__ = ("container", "restarted")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    RESTARTED_FIELD_NUMBER: _ClassVar[int]
    container: _resources_pb2.ContainerDoc
    restarted: bool
    def __init__(self, container: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ..., restarted: bool = ...) -> None: ...

class DeleteRealmResult(_message.Message):
    __slots__ = ("realm", "deleted", "metadata_deleted", "cgroup_deleted", "containerd_namespace_deleted")
    REALM_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    METADATA_DELETED_FIELD_NUMBER: _ClassVar[int]
    CGROUP_DELETED_FIELD_NUMBER: _ClassVar[int]
    CONTAINERD_NAMESPACE_DELETED_FIELD_NUMBER: _ClassVar[int]
    realm: _resources_pb2.RealmDoc
    deleted: _containers.RepeatedScalarFieldContainer[str]
    metadata_deleted: bool
    cgroup_deleted: bool
    containerd_namespace_deleted: bool
    def __init__(self, realm: _Optional[_Union[_resources_pb2.RealmDoc, _Mapping]] = ..., deleted: _Optional[_Iterable[str]] = ..., metadata_deleted: bool = ..., cgroup_deleted: bool = ..., containerd_namespace_deleted: bool = ...) -> None: ...

class DeleteSpaceResult(_message.Message):
    __slots__ = ("space", "space_name", "realm_name", "metadata_deleted", "cgroup_deleted", "cni_network_deleted", "deleted")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    SPACE_NAME_FIELD_NUMBER: _ClassVar[int]
    REALM_NAME_FIELD_NUMBER: _ClassVar[int]
    METADATA_DELETED_FIELD_NUMBER: _ClassVar[int]
    CGROUP_DELETED_FIELD_NUMBER: _ClassVar[int]
    CNI_NETWORK_DELETED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    space: _resources_pb2.SpaceDoc
    space_name: str
    realm_name: str
    metadata_deleted: bool
    cgroup_deleted: bool
    cni_network_deleted: bool
    deleted: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, space: _Optional[_Union[_resources_pb2.SpaceDoc, _Mapping]] = ..., space_name: _Optional[str] = ..., realm_name: _Optional[str] = ..., metadata_deleted: bool = ..., cgroup_deleted: bool = ..., cni_network_deleted: bool = ..., deleted: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteStackResult(_message.Message):
    __slots__ = ("stack", "stack_name", "realm_name", "space_name", "metadata_deleted", "cgroup_deleted", "deleted")
    STACK_FIELD_NUMBER: _ClassVar[int]
    STACK_NAME_FIELD_NUMBER: _ClassVar[int]
    REALM_NAME_FIELD_NUMBER: _ClassVar[int]
    SPACE_NAME_FIELD_NUMBER: _ClassVar[int]
    METADATA_DELETED_FIELD_NUMBER: _ClassVar[int]
    CGROUP_DELETED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    stack: _resources_pb2.StackDoc
    stack_name: str
    realm_name: str
    space_name: str
    metadata_deleted: bool
    cgroup_deleted: bool
    deleted: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, stack: _Optional[_Union[_resources_pb2.StackDoc, _Mapping]] = ..., stack_name: _Optional[str] = ..., realm_name: _Optional[str] = ..., space_name: _Optional[str] = ..., metadata_deleted: bool = ..., cgroup_deleted: bool = ..., deleted: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteCellResult(_message.Message):
    __slots__ = ("cell", "containers_deleted", "cgroup_deleted", "metadata_deleted")
    CELL_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_DELETED_FIELD_NUMBER: _ClassVar[int]
    CGROUP_DELETED_FIELD_NUMBER: _ClassVar[int]
    METADATA_DELETED_FIELD_NUMBER: _ClassVar[int]
    cell: _resources_pb2.CellDoc
    containers_deleted: bool
    cgroup_deleted: bool
    metadata_deleted: bool
    def __init__(self, cell: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ..., containers_deleted: bool = ..., cgroup_deleted: bool = ..., metadata_deleted: bool = ...) -> None: ...

class DeleteContainerResult(_message.Message):
    __slots__ = ("container", "cell_metadata_exists", "container_exists", "deleted")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    CELL_METADATA_EXISTS_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_EXISTS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    container: _resources_pb2.ContainerDoc
    cell_metadata_exists: bool
    container_exists: bool
    deleted: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, container: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ..., cell_metadata_exists: bool = ..., container_exists: bool = ..., deleted: _Optional[_Iterable[str]] = ...) -> None: ...

class PurgeRealmResult(_message.Message):
    __slots__ = ("realm", "realm_deleted", "purge_succeeded", "force", "cascade", "deleted", "purged", "namespace_removed", "warnings")
    REALM_FIELD_NUMBER: _ClassVar[int]
    REALM_DELETED_FIELD_NUMBER: _ClassVar[int]
    PURGE_SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    PURGED_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_REMOVED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    realm: _resources_pb2.RealmDoc
    realm_deleted: bool
    purge_succeeded: bool
    force: bool
    cascade: bool
    deleted: _containers.RepeatedScalarFieldContainer[str]
    purged: _containers.RepeatedScalarFieldContainer[str]
    namespace_removed: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, realm: _Optional[_Union[_resources_pb2.RealmDoc, _Mapping]] = ..., realm_deleted: bool = ..., purge_succeeded: bool = ..., force: bool = ..., cascade: bool = ..., deleted: _Optional[_Iterable[str]] = ..., purged: _Optional[_Iterable[str]] = ..., namespace_removed: bool = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class PurgeSpaceResult(_message.Message):
    __slots__ = ("space", "metadata_deleted", "cgroup_deleted", "cni_network_deleted", "purge_succeeded", "force", "cascade", "deleted", "purged", "warnings")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    METADATA_DELETED_FIELD_NUMBER: _ClassVar[int]
    CGROUP_DELETED_FIELD_NUMBER: _ClassVar[int]
    CNI_NETWORK_DELETED_FIELD_NUMBER: _ClassVar[int]
    PURGE_SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    PURGED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    space: _resources_pb2.SpaceDoc
    metadata_deleted: bool
    cgroup_deleted: bool
    cni_network_deleted: bool
    purge_succeeded: bool
    force: bool
    cascade: bool
    deleted: _containers.RepeatedScalarFieldContainer[str]
    purged: _containers.RepeatedScalarFieldContainer[str]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, space: _Optional[_Union[_resources_pb2.SpaceDoc, _Mapping]] = ..., metadata_deleted: bool = ..., cgroup_deleted: bool = ..., cni_network_deleted: bool = ..., purge_succeeded: bool = ..., force: bool = ..., cascade: bool = ..., deleted: _Optional[_Iterable[str]] = ..., purged: _Optional[_Iterable[str]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class PurgeStackResult(_message.Message):
    __slots__ = ("stack", "deleted", "purged", "metadata_deleted", "cgroup_deleted", "purge_succeeded", "force", "cascade", "warnings")
    STACK_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    PURGED_FIELD_NUMBER: _ClassVar[int]
    METADATA_DELETED_FIELD_NUMBER: _ClassVar[int]
    CGROUP_DELETED_FIELD_NUMBER: _ClassVar[int]
    PURGE_SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    stack: _resources_pb2.StackDoc
    deleted: _containers.RepeatedScalarFieldContainer[str]
    purged: _containers.RepeatedScalarFieldContainer[str]
    metadata_deleted: bool
    cgroup_deleted: bool
    purge_succeeded: bool
    force: bool
    cascade: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, stack: _Optional[_Union[_resources_pb2.StackDoc, _Mapping]] = ..., deleted: _Optional[_Iterable[str]] = ..., purged: _Optional[_Iterable[str]] = ..., metadata_deleted: bool = ..., cgroup_deleted: bool = ..., purge_succeeded: bool = ..., force: bool = ..., cascade: bool = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class PurgeCellResult(_message.Message):
    __slots__ = ("cell", "containers_deleted", "cgroup_deleted", "metadata_deleted", "purge_succeeded", "force", "cascade", "deleted", "purged", "warnings")
    CELL_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_DELETED_FIELD_NUMBER: _ClassVar[int]
    CGROUP_DELETED_FIELD_NUMBER: _ClassVar[int]
    METADATA_DELETED_FIELD_NUMBER: _ClassVar[int]
    PURGE_SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    PURGED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    cell: _resources_pb2.CellDoc
    containers_deleted: bool
    cgroup_deleted: bool
    metadata_deleted: bool
    purge_succeeded: bool
    force: bool
    cascade: bool
    deleted: _containers.RepeatedScalarFieldContainer[str]
    purged: _containers.RepeatedScalarFieldContainer[str]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, cell: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ..., containers_deleted: bool = ..., cgroup_deleted: bool = ..., metadata_deleted: bool = ..., purge_succeeded: bool = ..., force: bool = ..., cascade: bool = ..., deleted: _Optional[_Iterable[str]] = ..., purged: _Optional[_Iterable[str]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class PurgeContainerResult(_message.Message):
    __slots__ = ("container", "cell_metadata_exists", "container_exists", "deleted", "purged", "warnings")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    CELL_METADATA_EXISTS_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_EXISTS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    PURGED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    container: _resources_pb2.ContainerDoc
    cell_metadata_exists: bool
    container_exists: bool
    deleted: _containers.RepeatedScalarFieldContainer[str]
    purged: _containers.RepeatedScalarFieldContainer[str]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, container: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ..., cell_metadata_exists: bool = ..., container_exists: bool = ..., deleted: _Optional[_Iterable[str]] = ..., purged: _Optional[_Iterable[str]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class RefreshAllResult(_message.Message):
    __slots__ = ("realms_found", "spaces_found", "stacks_found", "cells_found", "containers_found", "realms_updated", "spaces_updated", "stacks_updated", "cells_updated", "containers_updated", "errors")
    REALMS_FOUND_FIELD_NUMBER: _ClassVar[int]
    SPACES_FOUND_FIELD_NUMBER: _ClassVar[int]
    STACKS_FOUND_FIELD_NUMBER: _ClassVar[int]
    CELLS_FOUND_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FOUND_FIELD_NUMBER: _ClassVar[int]
    REALMS_UPDATED_FIELD_NUMBER: _ClassVar[int]
    SPACES_UPDATED_FIELD_NUMBER: _ClassVar[int]
    STACKS_UPDATED_FIELD_NUMBER: _ClassVar[int]
    CELLS_UPDATED_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_UPDATED_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    realms_found: _containers.RepeatedScalarFieldContainer[str]
    spaces_found: _containers.RepeatedScalarFieldContainer[str]
    stacks_found: _containers.RepeatedScalarFieldContainer[str]
    cells_found: _containers.RepeatedScalarFieldContainer[str]
    containers_found: _containers.RepeatedScalarFieldContainer[str]
    realms_updated: _containers.RepeatedScalarFieldContainer[str]
    spaces_updated: _containers.RepeatedScalarFieldContainer[str]
    stacks_updated: _containers.RepeatedScalarFieldContainer[str]
    cells_updated: _containers.RepeatedScalarFieldContainer[str]
    containers_updated: _containers.RepeatedScalarFieldContainer[str]
    errors: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, realms_found: _Optional[_Iterable[str]] = ..., spaces_found: _Optional[_Iterable[str]] = ..., stacks_found: _Optional[_Iterable[str]] = ..., cells_found: _Optional[_Iterable[str]] = ..., containers_found: _Optional[_Iterable[str]] = ..., realms_updated: _Optional[_Iterable[str]] = ..., spaces_updated: _Optional[_Iterable[str]] = ..., stacks_updated: _Optional[_Iterable[str]] = ..., cells_updated: _Optional[_Iterable[str]] = ..., containers_updated: _Optional[_Iterable[str]] = ..., errors: _Optional[_Iterable[str]] = ...) -> None: ...

class AttachContainerResult(_message.Message):
    __slots__ = ("host_socket_path",)
    HOST_SOCKET_PATH_FIELD_NUMBER: _ClassVar[int]
    host_socket_path: str
    def __init__(self, host_socket_path: _Optional[str] = ...) -> None: ...

class LogContainerResult(_message.Message):
    __slots__ = ("host_capture_path", "host_log_path")
    HOST_CAPTURE_PATH_FIELD_NUMBER: _ClassVar[int]
    HOST_LOG_PATH_FIELD_NUMBER: _ClassVar[int]
    host_capture_path: str
    host_log_path: str
    def __init__(self, host_capture_path: _Optional[str] = ..., host_log_path: _Optional[str] = ...) -> None: ...

class ApplyResourceResult(_message.Message):
    __slots__ = ("index", "kind", "name", "action", "error", "changes", "details")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    index: int
    kind: str
    name: str
    action: ApplyAction
    error: str
    changes: _containers.RepeatedScalarFieldContainer[str]
    details: _containers.ScalarMap[str, str]
    def __init__(self, index: _Optional[int] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., action: _Optional[_Union[ApplyAction, str]] = ..., error: _Optional[str] = ..., changes: _Optional[_Iterable[str]] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ApplyDocumentsResult(_message.Message):
    __slots__ = ("resources",)
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    resources: _containers.RepeatedCompositeFieldContainer[ApplyResourceResult]
    def __init__(self, resources: _Optional[_Iterable[_Union[ApplyResourceResult, _Mapping]]] = ...) -> None: ...

class DeleteResourceResult(_message.Message):
    __slots__ = ("index", "kind", "name", "action", "error", "cascaded", "details")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CASCADED_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    index: int
    kind: str
    name: str
    action: DeleteAction
    error: str
    cascaded: _containers.RepeatedScalarFieldContainer[str]
    details: _containers.ScalarMap[str, str]
    def __init__(self, index: _Optional[int] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., action: _Optional[_Union[DeleteAction, str]] = ..., error: _Optional[str] = ..., cascaded: _Optional[_Iterable[str]] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...

class DeleteDocumentsResult(_message.Message):
    __slots__ = ("resources",)
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    resources: _containers.RepeatedCompositeFieldContainer[DeleteResourceResult]
    def __init__(self, resources: _Optional[_Iterable[_Union[DeleteResourceResult, _Mapping]]] = ...) -> None: ...

class ResizeTerminalResult(_message.Message):
    __slots__ = ("resized",)
    RESIZED_FIELD_NUMBER: _ClassVar[int]
    resized: bool
    def __init__(self, resized: bool = ...) -> None: ...

class LoadImageResult(_message.Message):
    __slots__ = ("realm", "namespace", "images")
    REALM_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    realm: str
    namespace: str
    images: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, realm: _Optional[str] = ..., namespace: _Optional[str] = ..., images: _Optional[_Iterable[str]] = ...) -> None: ...

class ListImagesResult(_message.Message):
    __slots__ = ("realm", "namespace", "images")
    REALM_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    realm: str
    namespace: str
    images: _containers.RepeatedCompositeFieldContainer[_resources_pb2.ImageInfo]
    def __init__(self, realm: _Optional[str] = ..., namespace: _Optional[str] = ..., images: _Optional[_Iterable[_Union[_resources_pb2.ImageInfo, _Mapping]]] = ...) -> None: ...

class GetImageResult(_message.Message):
    __slots__ = ("realm", "namespace", "image")
    REALM_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    realm: str
    namespace: str
    image: _resources_pb2.ImageInfo
    def __init__(self, realm: _Optional[str] = ..., namespace: _Optional[str] = ..., image: _Optional[_Union[_resources_pb2.ImageInfo, _Mapping]] = ...) -> None: ...

class DeleteImageResult(_message.Message):
    __slots__ = ("realm", "namespace", "ref")
    REALM_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    realm: str
    namespace: str
    ref: str
    def __init__(self, realm: _Optional[str] = ..., namespace: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class TagImageResult(_message.Message):
    __slots__ = ("realm", "namespace", "image", "digest")
    REALM_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    realm: str
    namespace: str
    image: str
    digest: str
    def __init__(self, realm: _Optional[str] = ..., namespace: _Optional[str] = ..., image: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class PrunedImage(_message.Message):
    __slots__ = ("name", "digest", "size")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    size: int
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class PruneImagesResult(_message.Message):
    __slots__ = ("realm", "namespace", "images", "reclaimed_bytes", "dry_run")
    REALM_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    RECLAIMED_BYTES_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    realm: str
    namespace: str
    images: _containers.RepeatedCompositeFieldContainer[PrunedImage]
    reclaimed_bytes: int
    dry_run: bool
    def __init__(self, realm: _Optional[str] = ..., namespace: _Optional[str] = ..., images: _Optional[_Iterable[_Union[PrunedImage, _Mapping]]] = ..., reclaimed_bytes: _Optional[int] = ..., dry_run: bool = ...) -> None: ...

class PingResult(_message.Message):
    __slots__ = ("ok", "version", "instance_id", "run_path", "containerd_mode", "containerd_version", "containerd_socket", "cgroup_mode", "warnings", "pid", "unreadable", "oci_runtime", "damaged", "snapshotter", "storage", "disk_warn_percent")
    OK_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_PATH_FIELD_NUMBER: _ClassVar[int]
    CONTAINERD_MODE_FIELD_NUMBER: _ClassVar[int]
    CONTAINERD_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTAINERD_SOCKET_FIELD_NUMBER: _ClassVar[int]
    CGROUP_MODE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    OCI_RUNTIME_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTTER_FIELD_NUMBER: _ClassVar[int]
    STORAGE_FIELD_NUMBER: _ClassVar[int]
    DISK_WARN_PERCENT_FIELD_NUMBER: _ClassVar[int]
    ok: bool
    version: str
    instance_id: str
    run_path: str
    containerd_mode: str
    containerd_version: str
    containerd_socket: str
    cgroup_mode: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    pid: int
    unreadable: _containers.RepeatedScalarFieldContainer[str]
    oci_runtime: str
    damaged: _containers.RepeatedCompositeFieldContainer[Damage]
    snapshotter: str
    storage: _containers.RepeatedCompositeFieldContainer[StorageUse]
    disk_warn_percent: int
    def __init__(self, ok: bool = ..., version: _Optional[str] = ..., instance_id: _Optional[str] = ..., run_path: _Optional[str] = ..., containerd_mode: _Optional[str] = ..., containerd_version: _Optional[str] = ..., containerd_socket: _Optional[str] = ..., cgroup_mode: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ..., pid: _Optional[int] = ..., unreadable: _Optional[_Iterable[str]] = ..., oci_runtime: _Optional[str] = ..., damaged: _Optional[_Iterable[_Union[Damage, _Mapping]]] = ..., snapshotter: _Optional[str] = ..., storage: _Optional[_Iterable[_Union[StorageUse, _Mapping]]] = ..., disk_warn_percent: _Optional[int] = ...) -> None: ...

class Damage(_message.Message):
    __slots__ = ("message", "hint")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    message: str
    hint: str
    def __init__(self, message: _Optional[str] = ..., hint: _Optional[str] = ...) -> None: ...

class StorageUse(_message.Message):
    __slots__ = ("name", "path", "total_bytes", "free_bytes", "total_files", "free_files")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FILES_FIELD_NUMBER: _ClassVar[int]
    FREE_FILES_FIELD_NUMBER: _ClassVar[int]
    name: str
    path: str
    total_bytes: int
    free_bytes: int
    total_files: int
    free_files: int
    def __init__(self, name: _Optional[str] = ..., path: _Optional[str] = ..., total_bytes: _Optional[int] = ..., free_bytes: _Optional[int] = ..., total_files: _Optional[int] = ..., free_files: _Optional[int] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("source", "line", "document", "subject", "path", "message", "suggestion")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SUGGESTION_FIELD_NUMBER: _ClassVar[int]
    source: str
    line: int
    document: int
    subject: str
    path: str
    message: str
    suggestion: str
    def __init__(self, source: _Optional[str] = ..., line: _Optional[int] = ..., document: _Optional[int] = ..., subject: _Optional[str] = ..., path: _Optional[str] = ..., message: _Optional[str] = ..., suggestion: _Optional[str] = ...) -> None: ...

class APIError(_message.Message):
    __slots__ = ("kind", "message", "hint", "problems")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    message: str
    hint: str
    problems: _containers.RepeatedCompositeFieldContainer[Problem]
    def __init__(self, kind: _Optional[str] = ..., message: _Optional[str] = ..., hint: _Optional[str] = ..., problems: _Optional[_Iterable[_Union[Problem, _Mapping]]] = ...) -> None: ...
