from kukeon_api._pb.kukeon.v1 import resources_pb2 as _resources_pb2
from kukeon_api._pb.kukeon.v1 import results_pb2 as _results_pb2
from kukeon_api._pb.kukeon.v1 import streams_pb2 as _streams_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PingArgs(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PingReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.PingResult
    def __init__(self, result: _Optional[_Union[_results_pb2.PingResult, _Mapping]] = ...) -> None: ...

class ApplyDocumentsArgs(_message.Message):
    __slots__ = ("raw_yaml", "dry_run", "prune")
    RAW_YAML_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    raw_yaml: bytes
    dry_run: bool
    prune: str
    def __init__(self, raw_yaml: _Optional[bytes] = ..., dry_run: bool = ..., prune: _Optional[str] = ...) -> None: ...

class ApplyDocumentsReply(_message.Message):
    __slots__ = ("result", "error")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.ApplyDocumentsResult
    error: _results_pb2.APIError
    def __init__(self, result: _Optional[_Union[_results_pb2.ApplyDocumentsResult, _Mapping]] = ..., error: _Optional[_Union[_results_pb2.APIError, _Mapping]] = ...) -> None: ...

class DeleteDocumentsArgs(_message.Message):
    __slots__ = ("raw_yaml", "cascade", "force")
    RAW_YAML_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    raw_yaml: bytes
    cascade: bool
    force: bool
    def __init__(self, raw_yaml: _Optional[bytes] = ..., cascade: bool = ..., force: bool = ...) -> None: ...

class DeleteDocumentsReply(_message.Message):
    __slots__ = ("result", "error")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.DeleteDocumentsResult
    error: _results_pb2.APIError
    def __init__(self, result: _Optional[_Union[_results_pb2.DeleteDocumentsResult, _Mapping]] = ..., error: _Optional[_Union[_results_pb2.APIError, _Mapping]] = ...) -> None: ...

class CreateRealmArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.RealmDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.RealmDoc, _Mapping]] = ...) -> None: ...

class CreateRealmReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.CreateRealmResult
    def __init__(self, result: _Optional[_Union[_results_pb2.CreateRealmResult, _Mapping]] = ...) -> None: ...

class CreateSpaceArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.SpaceDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.SpaceDoc, _Mapping]] = ...) -> None: ...

class CreateSpaceReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.CreateSpaceResult
    def __init__(self, result: _Optional[_Union[_results_pb2.CreateSpaceResult, _Mapping]] = ...) -> None: ...

class CreateStackArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.StackDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.StackDoc, _Mapping]] = ...) -> None: ...

class CreateStackReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.CreateStackResult
    def __init__(self, result: _Optional[_Union[_results_pb2.CreateStackResult, _Mapping]] = ...) -> None: ...

class CreateCellArgs(_message.Message):
    __slots__ = ("doc", "no_start")
    DOC_FIELD_NUMBER: _ClassVar[int]
    NO_START_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.CellDoc
    no_start: bool
    def __init__(self, doc: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ..., no_start: bool = ...) -> None: ...

class CreateCellReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.CreateCellResult
    def __init__(self, result: _Optional[_Union[_results_pb2.CreateCellResult, _Mapping]] = ...) -> None: ...

class CreateContainerArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ...) -> None: ...

class CreateContainerReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.CreateContainerResult
    def __init__(self, result: _Optional[_Union[_results_pb2.CreateContainerResult, _Mapping]] = ...) -> None: ...

class GetRealmArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.RealmDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.RealmDoc, _Mapping]] = ...) -> None: ...

class GetRealmReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.GetRealmResult
    def __init__(self, result: _Optional[_Union[_results_pb2.GetRealmResult, _Mapping]] = ...) -> None: ...

class GetSpaceArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.SpaceDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.SpaceDoc, _Mapping]] = ...) -> None: ...

class GetSpaceReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.GetSpaceResult
    def __init__(self, result: _Optional[_Union[_results_pb2.GetSpaceResult, _Mapping]] = ...) -> None: ...

class GetStackArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.StackDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.StackDoc, _Mapping]] = ...) -> None: ...

class GetStackReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.GetStackResult
    def __init__(self, result: _Optional[_Union[_results_pb2.GetStackResult, _Mapping]] = ...) -> None: ...

class GetCellArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.CellDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ...) -> None: ...

class GetCellReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.GetCellResult
    def __init__(self, result: _Optional[_Union[_results_pb2.GetCellResult, _Mapping]] = ...) -> None: ...

class GetContainerArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ...) -> None: ...

class GetContainerReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.GetContainerResult
    def __init__(self, result: _Optional[_Union[_results_pb2.GetContainerResult, _Mapping]] = ...) -> None: ...

class ListRealmsArgs(_message.Message):
    __slots__ = ("page_token",)
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_token: str
    def __init__(self, page_token: _Optional[str] = ...) -> None: ...

class ListRealmsReply(_message.Message):
    __slots__ = ("realms", "next_page_token")
    REALMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    realms: _containers.RepeatedCompositeFieldContainer[_resources_pb2.RealmDoc]
    next_page_token: str
    def __init__(self, realms: _Optional[_Iterable[_Union[_resources_pb2.RealmDoc, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListSpacesArgs(_message.Message):
    __slots__ = ("realm_name", "page_token")
    REALM_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    realm_name: str
    page_token: str
    def __init__(self, realm_name: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSpacesReply(_message.Message):
    __slots__ = ("spaces", "next_page_token")
    SPACES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    spaces: _containers.RepeatedCompositeFieldContainer[_resources_pb2.SpaceDoc]
    next_page_token: str
    def __init__(self, spaces: _Optional[_Iterable[_Union[_resources_pb2.SpaceDoc, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListStacksArgs(_message.Message):
    __slots__ = ("realm_name", "space_name", "page_token")
    REALM_NAME_FIELD_NUMBER: _ClassVar[int]
    SPACE_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    realm_name: str
    space_name: str
    page_token: str
    def __init__(self, realm_name: _Optional[str] = ..., space_name: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListStacksReply(_message.Message):
    __slots__ = ("stacks", "next_page_token")
    STACKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    stacks: _containers.RepeatedCompositeFieldContainer[_resources_pb2.StackDoc]
    next_page_token: str
    def __init__(self, stacks: _Optional[_Iterable[_Union[_resources_pb2.StackDoc, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListCellsArgs(_message.Message):
    __slots__ = ("realm_name", "space_name", "stack_name", "page_token")
    REALM_NAME_FIELD_NUMBER: _ClassVar[int]
    SPACE_NAME_FIELD_NUMBER: _ClassVar[int]
    STACK_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    realm_name: str
    space_name: str
    stack_name: str
    page_token: str
    def __init__(self, realm_name: _Optional[str] = ..., space_name: _Optional[str] = ..., stack_name: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCellsReply(_message.Message):
    __slots__ = ("cells", "next_page_token")
    CELLS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    cells: _containers.RepeatedCompositeFieldContainer[_resources_pb2.CellDoc]
    next_page_token: str
    def __init__(self, cells: _Optional[_Iterable[_Union[_resources_pb2.CellDoc, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListContainersArgs(_message.Message):
    __slots__ = ("realm_name", "space_name", "stack_name", "cell_name", "page_token")
    REALM_NAME_FIELD_NUMBER: _ClassVar[int]
    SPACE_NAME_FIELD_NUMBER: _ClassVar[int]
    STACK_NAME_FIELD_NUMBER: _ClassVar[int]
    CELL_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    realm_name: str
    space_name: str
    stack_name: str
    cell_name: str
    page_token: str
    def __init__(self, realm_name: _Optional[str] = ..., space_name: _Optional[str] = ..., stack_name: _Optional[str] = ..., cell_name: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListContainersReply(_message.Message):
    __slots__ = ("containers", "next_page_token")
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    containers: _containers.RepeatedCompositeFieldContainer[_resources_pb2.ContainerSpec]
    next_page_token: str
    def __init__(self, containers: _Optional[_Iterable[_Union[_resources_pb2.ContainerSpec, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class StartCellArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.CellDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ...) -> None: ...

class StartCellReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.StartCellResult
    def __init__(self, result: _Optional[_Union[_results_pb2.StartCellResult, _Mapping]] = ...) -> None: ...

class RestartCellArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.CellDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ...) -> None: ...

class RestartCellReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.RestartCellResult
    def __init__(self, result: _Optional[_Union[_results_pb2.RestartCellResult, _Mapping]] = ...) -> None: ...

class StartContainerArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ...) -> None: ...

class StartContainerReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.StartContainerResult
    def __init__(self, result: _Optional[_Union[_results_pb2.StartContainerResult, _Mapping]] = ...) -> None: ...

class StopCellArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.CellDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ...) -> None: ...

class StopCellReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.StopCellResult
    def __init__(self, result: _Optional[_Union[_results_pb2.StopCellResult, _Mapping]] = ...) -> None: ...

class StopContainerArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ...) -> None: ...

class StopContainerReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.StopContainerResult
    def __init__(self, result: _Optional[_Union[_results_pb2.StopContainerResult, _Mapping]] = ...) -> None: ...

class KillCellArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.CellDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ...) -> None: ...

class KillCellReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.KillCellResult
    def __init__(self, result: _Optional[_Union[_results_pb2.KillCellResult, _Mapping]] = ...) -> None: ...

class KillContainerArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ...) -> None: ...

class KillContainerReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.KillContainerResult
    def __init__(self, result: _Optional[_Union[_results_pb2.KillContainerResult, _Mapping]] = ...) -> None: ...

class RestartContainerArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ...) -> None: ...

class RestartContainerReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.RestartContainerResult
    def __init__(self, result: _Optional[_Union[_results_pb2.RestartContainerResult, _Mapping]] = ...) -> None: ...

class DeleteRealmArgs(_message.Message):
    __slots__ = ("doc", "force", "cascade")
    DOC_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.RealmDoc
    force: bool
    cascade: bool
    def __init__(self, doc: _Optional[_Union[_resources_pb2.RealmDoc, _Mapping]] = ..., force: bool = ..., cascade: bool = ...) -> None: ...

class DeleteRealmReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.DeleteRealmResult
    def __init__(self, result: _Optional[_Union[_results_pb2.DeleteRealmResult, _Mapping]] = ...) -> None: ...

class DeleteSpaceArgs(_message.Message):
    __slots__ = ("doc", "force", "cascade")
    DOC_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.SpaceDoc
    force: bool
    cascade: bool
    def __init__(self, doc: _Optional[_Union[_resources_pb2.SpaceDoc, _Mapping]] = ..., force: bool = ..., cascade: bool = ...) -> None: ...

class DeleteSpaceReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.DeleteSpaceResult
    def __init__(self, result: _Optional[_Union[_results_pb2.DeleteSpaceResult, _Mapping]] = ...) -> None: ...

class DeleteStackArgs(_message.Message):
    __slots__ = ("doc", "force", "cascade")
    DOC_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.StackDoc
    force: bool
    cascade: bool
    def __init__(self, doc: _Optional[_Union[_resources_pb2.StackDoc, _Mapping]] = ..., force: bool = ..., cascade: bool = ...) -> None: ...

class DeleteStackReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.DeleteStackResult
    def __init__(self, result: _Optional[_Union[_results_pb2.DeleteStackResult, _Mapping]] = ...) -> None: ...

class DeleteCellArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.CellDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ...) -> None: ...

class DeleteCellReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.DeleteCellResult
    def __init__(self, result: _Optional[_Union[_results_pb2.DeleteCellResult, _Mapping]] = ...) -> None: ...

class DeleteContainerArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ...) -> None: ...

class DeleteContainerReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.DeleteContainerResult
    def __init__(self, result: _Optional[_Union[_results_pb2.DeleteContainerResult, _Mapping]] = ...) -> None: ...

class PurgeRealmArgs(_message.Message):
    __slots__ = ("doc", "force", "cascade")
    DOC_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.RealmDoc
    force: bool
    cascade: bool
    def __init__(self, doc: _Optional[_Union[_resources_pb2.RealmDoc, _Mapping]] = ..., force: bool = ..., cascade: bool = ...) -> None: ...

class PurgeRealmReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.PurgeRealmResult
    def __init__(self, result: _Optional[_Union[_results_pb2.PurgeRealmResult, _Mapping]] = ...) -> None: ...

class PurgeSpaceArgs(_message.Message):
    __slots__ = ("doc", "force", "cascade")
    DOC_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.SpaceDoc
    force: bool
    cascade: bool
    def __init__(self, doc: _Optional[_Union[_resources_pb2.SpaceDoc, _Mapping]] = ..., force: bool = ..., cascade: bool = ...) -> None: ...

class PurgeSpaceReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.PurgeSpaceResult
    def __init__(self, result: _Optional[_Union[_results_pb2.PurgeSpaceResult, _Mapping]] = ...) -> None: ...

class PurgeStackArgs(_message.Message):
    __slots__ = ("doc", "force", "cascade")
    DOC_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.StackDoc
    force: bool
    cascade: bool
    def __init__(self, doc: _Optional[_Union[_resources_pb2.StackDoc, _Mapping]] = ..., force: bool = ..., cascade: bool = ...) -> None: ...

class PurgeStackReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.PurgeStackResult
    def __init__(self, result: _Optional[_Union[_results_pb2.PurgeStackResult, _Mapping]] = ...) -> None: ...

class PurgeCellArgs(_message.Message):
    __slots__ = ("doc", "force", "cascade")
    DOC_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.CellDoc
    force: bool
    cascade: bool
    def __init__(self, doc: _Optional[_Union[_resources_pb2.CellDoc, _Mapping]] = ..., force: bool = ..., cascade: bool = ...) -> None: ...

class PurgeCellReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.PurgeCellResult
    def __init__(self, result: _Optional[_Union[_results_pb2.PurgeCellResult, _Mapping]] = ...) -> None: ...

class PurgeContainerArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ...) -> None: ...

class PurgeContainerReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.PurgeContainerResult
    def __init__(self, result: _Optional[_Union[_results_pb2.PurgeContainerResult, _Mapping]] = ...) -> None: ...

class RefreshAllArgs(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RefreshAllReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.RefreshAllResult
    def __init__(self, result: _Optional[_Union[_results_pb2.RefreshAllResult, _Mapping]] = ...) -> None: ...

class AttachContainerArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ...) -> None: ...

class AttachContainerReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.AttachContainerResult
    def __init__(self, result: _Optional[_Union[_results_pb2.AttachContainerResult, _Mapping]] = ...) -> None: ...

class LogContainerArgs(_message.Message):
    __slots__ = ("doc",)
    DOC_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ...) -> None: ...

class LogContainerReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.LogContainerResult
    def __init__(self, result: _Optional[_Union[_results_pb2.LogContainerResult, _Mapping]] = ...) -> None: ...

class LoadImageArgs(_message.Message):
    __slots__ = ("realm", "chunk", "platform")
    REALM_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    realm: str
    chunk: bytes
    platform: str
    def __init__(self, realm: _Optional[str] = ..., chunk: _Optional[bytes] = ..., platform: _Optional[str] = ...) -> None: ...

class LoadImageReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.LoadImageResult
    def __init__(self, result: _Optional[_Union[_results_pb2.LoadImageResult, _Mapping]] = ...) -> None: ...

class ListImagesArgs(_message.Message):
    __slots__ = ("realm",)
    REALM_FIELD_NUMBER: _ClassVar[int]
    realm: str
    def __init__(self, realm: _Optional[str] = ...) -> None: ...

class ListImagesReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.ListImagesResult
    def __init__(self, result: _Optional[_Union[_results_pb2.ListImagesResult, _Mapping]] = ...) -> None: ...

class GetImageArgs(_message.Message):
    __slots__ = ("realm", "ref")
    REALM_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    realm: str
    ref: str
    def __init__(self, realm: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class GetImageReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.GetImageResult
    def __init__(self, result: _Optional[_Union[_results_pb2.GetImageResult, _Mapping]] = ...) -> None: ...

class DeleteImageArgs(_message.Message):
    __slots__ = ("realm", "ref")
    REALM_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    realm: str
    ref: str
    def __init__(self, realm: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class DeleteImageReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.DeleteImageResult
    def __init__(self, result: _Optional[_Union[_results_pb2.DeleteImageResult, _Mapping]] = ...) -> None: ...

class PullImageArgs(_message.Message):
    __slots__ = ("realm", "ref", "platform", "login")
    REALM_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    LOGIN_FIELD_NUMBER: _ClassVar[int]
    realm: str
    ref: str
    platform: str
    login: _streams_pb2.RegistryLogin
    def __init__(self, realm: _Optional[str] = ..., ref: _Optional[str] = ..., platform: _Optional[str] = ..., login: _Optional[_Union[_streams_pb2.RegistryLogin, _Mapping]] = ...) -> None: ...

class PullImageReply(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_streams_pb2.TransferEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[_streams_pb2.TransferEvent, _Mapping]]] = ...) -> None: ...

class PushImageArgs(_message.Message):
    __slots__ = ("realm", "ref", "destination", "platform", "login")
    REALM_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    LOGIN_FIELD_NUMBER: _ClassVar[int]
    realm: str
    ref: str
    destination: str
    platform: str
    login: _streams_pb2.RegistryLogin
    def __init__(self, realm: _Optional[str] = ..., ref: _Optional[str] = ..., destination: _Optional[str] = ..., platform: _Optional[str] = ..., login: _Optional[_Union[_streams_pb2.RegistryLogin, _Mapping]] = ...) -> None: ...

class PushImageReply(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_streams_pb2.TransferEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[_streams_pb2.TransferEvent, _Mapping]]] = ...) -> None: ...

class SaveImageArgs(_message.Message):
    __slots__ = ("realm", "refs", "platform", "format")
    REALM_FIELD_NUMBER: _ClassVar[int]
    REFS_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    realm: str
    refs: _containers.RepeatedScalarFieldContainer[str]
    platform: str
    format: str
    def __init__(self, realm: _Optional[str] = ..., refs: _Optional[_Iterable[str]] = ..., platform: _Optional[str] = ..., format: _Optional[str] = ...) -> None: ...

class SaveImageReply(_message.Message):
    __slots__ = ("pieces",)
    PIECES_FIELD_NUMBER: _ClassVar[int]
    pieces: _containers.RepeatedCompositeFieldContainer[_streams_pb2.ArchivePiece]
    def __init__(self, pieces: _Optional[_Iterable[_Union[_streams_pb2.ArchivePiece, _Mapping]]] = ...) -> None: ...

class TagImageArgs(_message.Message):
    __slots__ = ("realm", "ref", "name")
    REALM_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    realm: str
    ref: str
    name: str
    def __init__(self, realm: _Optional[str] = ..., ref: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class TagImageReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.TagImageResult
    def __init__(self, result: _Optional[_Union[_results_pb2.TagImageResult, _Mapping]] = ...) -> None: ...

class PruneImagesArgs(_message.Message):
    __slots__ = ("realm", "all", "dry_run")
    REALM_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    realm: str
    all: bool
    dry_run: bool
    def __init__(self, realm: _Optional[str] = ..., all: bool = ..., dry_run: bool = ...) -> None: ...

class PruneImagesReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.PruneImagesResult
    def __init__(self, result: _Optional[_Union[_results_pb2.PruneImagesResult, _Mapping]] = ...) -> None: ...

class EventsArgs(_message.Message):
    __slots__ = ("realm", "space", "stack", "cell", "kinds", "since", "follow")
    REALM_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    STACK_FIELD_NUMBER: _ClassVar[int]
    CELL_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    realm: str
    space: str
    stack: str
    cell: str
    kinds: _containers.RepeatedScalarFieldContainer[str]
    since: str
    follow: bool
    def __init__(self, realm: _Optional[str] = ..., space: _Optional[str] = ..., stack: _Optional[str] = ..., cell: _Optional[str] = ..., kinds: _Optional[_Iterable[str]] = ..., since: _Optional[str] = ..., follow: bool = ...) -> None: ...

class EventsReply(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_streams_pb2.Event]
    def __init__(self, events: _Optional[_Iterable[_Union[_streams_pb2.Event, _Mapping]]] = ...) -> None: ...

class LogsArgs(_message.Message):
    __slots__ = ("doc", "follow", "tail", "since", "previous")
    DOC_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    follow: bool
    tail: int
    since: str
    previous: bool
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ..., follow: bool = ..., tail: _Optional[int] = ..., since: _Optional[str] = ..., previous: bool = ...) -> None: ...

class LogsReply(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[_streams_pb2.LogEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[_streams_pb2.LogEntry, _Mapping]]] = ...) -> None: ...

class ExecStart(_message.Message):
    __slots__ = ("doc", "command", "tty", "env", "user", "working_dir", "rows", "columns")
    DOC_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    TTY_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIR_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    command: _containers.RepeatedScalarFieldContainer[str]
    tty: bool
    env: _containers.RepeatedScalarFieldContainer[str]
    user: str
    working_dir: str
    rows: int
    columns: int
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ..., command: _Optional[_Iterable[str]] = ..., tty: bool = ..., env: _Optional[_Iterable[str]] = ..., user: _Optional[str] = ..., working_dir: _Optional[str] = ..., rows: _Optional[int] = ..., columns: _Optional[int] = ...) -> None: ...

class ExecArgs(_message.Message):
    __slots__ = ("start", "stdin", "stdin_closed", "resize", "signal")
    START_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    STDIN_CLOSED_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    start: ExecStart
    stdin: bytes
    stdin_closed: bool
    resize: _streams_pb2.WindowSize
    signal: int
    def __init__(self, start: _Optional[_Union[ExecStart, _Mapping]] = ..., stdin: _Optional[bytes] = ..., stdin_closed: bool = ..., resize: _Optional[_Union[_streams_pb2.WindowSize, _Mapping]] = ..., signal: _Optional[int] = ...) -> None: ...

class ExecReply(_message.Message):
    __slots__ = ("started", "stdout", "stderr", "exit", "stdin_taken")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    STDIN_TAKEN_FIELD_NUMBER: _ClassVar[int]
    started: _streams_pb2.ExecStarted
    stdout: bytes
    stderr: bytes
    exit: _streams_pb2.ExitStatus
    stdin_taken: int
    def __init__(self, started: _Optional[_Union[_streams_pb2.ExecStarted, _Mapping]] = ..., stdout: _Optional[bytes] = ..., stderr: _Optional[bytes] = ..., exit: _Optional[_Union[_streams_pb2.ExitStatus, _Mapping]] = ..., stdin_taken: _Optional[int] = ...) -> None: ...

class AttachStart(_message.Message):
    __slots__ = ("doc", "rows", "columns", "position")
    DOC_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    rows: int
    columns: int
    position: int
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ..., rows: _Optional[int] = ..., columns: _Optional[int] = ..., position: _Optional[int] = ...) -> None: ...

class AttachArgs(_message.Message):
    __slots__ = ("start", "input", "resize", "leave")
    START_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    start: AttachStart
    input: bytes
    resize: _streams_pb2.WindowSize
    leave: bool
    def __init__(self, start: _Optional[_Union[AttachStart, _Mapping]] = ..., input: _Optional[bytes] = ..., resize: _Optional[_Union[_streams_pb2.WindowSize, _Mapping]] = ..., leave: bool = ...) -> None: ...

class AttachReply(_message.Message):
    __slots__ = ("started", "output", "ended", "position")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    started: bool
    output: bytes
    ended: _streams_pb2.AttachEnded
    position: int
    def __init__(self, started: bool = ..., output: _Optional[bytes] = ..., ended: _Optional[_Union[_streams_pb2.AttachEnded, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class ResizeTerminalArgs(_message.Message):
    __slots__ = ("doc", "rows", "columns")
    DOC_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    doc: _resources_pb2.ContainerDoc
    rows: int
    columns: int
    def __init__(self, doc: _Optional[_Union[_resources_pb2.ContainerDoc, _Mapping]] = ..., rows: _Optional[int] = ..., columns: _Optional[int] = ...) -> None: ...

class ResizeTerminalReply(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: _results_pb2.ResizeTerminalResult
    def __init__(self, result: _Optional[_Union[_results_pb2.ResizeTerminalResult, _Mapping]] = ...) -> None: ...
