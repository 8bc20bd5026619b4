from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_TYPE_UNSPECIFIED: _ClassVar[EventType]
    EVENT_TYPE_CREATED: _ClassVar[EventType]
    EVENT_TYPE_UPDATED: _ClassVar[EventType]
    EVENT_TYPE_DELETED: _ClassVar[EventType]
    EVENT_TYPE_STARTING: _ClassVar[EventType]
    EVENT_TYPE_STARTED: _ClassVar[EventType]
    EVENT_TYPE_EXITED: _ClassVar[EventType]
    EVENT_TYPE_OOM_KILLED: _ClassVar[EventType]
    EVENT_TYPE_STOPPED: _ClassVar[EventType]
    EVENT_TYPE_KILLED: _ClassVar[EventType]
    EVENT_TYPE_RESTARTING: _ClassVar[EventType]
    EVENT_TYPE_FAILED: _ClassVar[EventType]
    EVENT_TYPE_STATE_CHANGED: _ClassVar[EventType]
    EVENT_TYPE_RESYNC: _ClassVar[EventType]

class LogStream(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOG_STREAM_UNSPECIFIED: _ClassVar[LogStream]
    LOG_STREAM_STDOUT: _ClassVar[LogStream]
    LOG_STREAM_STDERR: _ClassVar[LogStream]
    LOG_STREAM_TERMINAL: _ClassVar[LogStream]

class TransferStage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSFER_STAGE_UNSPECIFIED: _ClassVar[TransferStage]
    TRANSFER_STAGE_RESOLVING: _ClassVar[TransferStage]
    TRANSFER_STAGE_WAITING: _ClassVar[TransferStage]
    TRANSFER_STAGE_PRESENT: _ClassVar[TransferStage]
    TRANSFER_STAGE_DOWNLOADING: _ClassVar[TransferStage]
    TRANSFER_STAGE_DOWNLOADED: _ClassVar[TransferStage]
    TRANSFER_STAGE_UNPACKING: _ClassVar[TransferStage]
    TRANSFER_STAGE_UPLOADING: _ClassVar[TransferStage]
    TRANSFER_STAGE_UPLOADED: _ClassVar[TransferStage]
    TRANSFER_STAGE_DONE: _ClassVar[TransferStage]
EVENT_TYPE_UNSPECIFIED: EventType
EVENT_TYPE_CREATED: EventType
EVENT_TYPE_UPDATED: EventType
EVENT_TYPE_DELETED: EventType
EVENT_TYPE_STARTING: EventType
EVENT_TYPE_STARTED: EventType
EVENT_TYPE_EXITED: EventType
EVENT_TYPE_OOM_KILLED: EventType
EVENT_TYPE_STOPPED: EventType
EVENT_TYPE_KILLED: EventType
EVENT_TYPE_RESTARTING: EventType
EVENT_TYPE_FAILED: EventType
EVENT_TYPE_STATE_CHANGED: EventType
EVENT_TYPE_RESYNC: EventType
LOG_STREAM_UNSPECIFIED: LogStream
LOG_STREAM_STDOUT: LogStream
LOG_STREAM_STDERR: LogStream
LOG_STREAM_TERMINAL: LogStream
TRANSFER_STAGE_UNSPECIFIED: TransferStage
TRANSFER_STAGE_RESOLVING: TransferStage
TRANSFER_STAGE_WAITING: TransferStage
TRANSFER_STAGE_PRESENT: TransferStage
TRANSFER_STAGE_DOWNLOADING: TransferStage
TRANSFER_STAGE_DOWNLOADED: TransferStage
TRANSFER_STAGE_UNPACKING: TransferStage
TRANSFER_STAGE_UPLOADING: TransferStage
TRANSFER_STAGE_UPLOADED: TransferStage
TRANSFER_STAGE_DONE: TransferStage

class Event(_message.Message):
    __slots__ = ("cursor", "at", "kind", "ref", "type", "reason", "message", "exit_code", "exit_signal", "state")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    EXIT_SIGNAL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    at: _timestamp_pb2.Timestamp
    kind: str
    ref: str
    type: EventType
    reason: str
    message: str
    exit_code: int
    exit_signal: str
    state: str
    def __init__(self, cursor: _Optional[str] = ..., at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[str] = ..., ref: _Optional[str] = ..., type: _Optional[_Union[EventType, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., exit_code: _Optional[int] = ..., exit_signal: _Optional[str] = ..., state: _Optional[str] = ...) -> None: ...

class LogEntry(_message.Message):
    __slots__ = ("at", "stream", "data", "partial")
    AT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    stream: LogStream
    data: bytes
    partial: bool
    def __init__(self, at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., stream: _Optional[_Union[LogStream, str]] = ..., data: _Optional[bytes] = ..., partial: bool = ...) -> None: ...

class ExitStatus(_message.Message):
    __slots__ = ("code", "signal")
    CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    code: int
    signal: str
    def __init__(self, code: _Optional[int] = ..., signal: _Optional[str] = ...) -> None: ...

class WindowSize(_message.Message):
    __slots__ = ("rows", "columns")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    rows: int
    columns: int
    def __init__(self, rows: _Optional[int] = ..., columns: _Optional[int] = ...) -> None: ...

class ExecStarted(_message.Message):
    __slots__ = ("pid",)
    PID_FIELD_NUMBER: _ClassVar[int]
    pid: int
    def __init__(self, pid: _Optional[int] = ...) -> None: ...

class AttachEnded(_message.Message):
    __slots__ = ("code",)
    CODE_FIELD_NUMBER: _ClassVar[int]
    code: int
    def __init__(self, code: _Optional[int] = ...) -> None: ...

class ArchivePiece(_message.Message):
    __slots__ = ("data", "total_bytes")
    DATA_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    total_bytes: int
    def __init__(self, data: _Optional[bytes] = ..., total_bytes: _Optional[int] = ...) -> None: ...

class RegistryLogin(_message.Message):
    __slots__ = ("server_address", "username", "password", "identity_token")
    SERVER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    server_address: str
    username: str
    password: str
    identity_token: str
    def __init__(self, server_address: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., identity_token: _Optional[str] = ...) -> None: ...

class TransferResult(_message.Message):
    __slots__ = ("realm", "namespace", "image", "digest", "size", "changed")
    REALM_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    realm: str
    namespace: str
    image: str
    digest: str
    size: int
    changed: bool
    def __init__(self, realm: _Optional[str] = ..., namespace: _Optional[str] = ..., image: _Optional[str] = ..., digest: _Optional[str] = ..., size: _Optional[int] = ..., changed: bool = ...) -> None: ...

class TransferEvent(_message.Message):
    __slots__ = ("stage", "digest", "done_bytes", "total_bytes", "result")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DONE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    stage: TransferStage
    digest: str
    done_bytes: int
    total_bytes: int
    result: TransferResult
    def __init__(self, stage: _Optional[_Union[TransferStage, str]] = ..., digest: _Optional[str] = ..., done_bytes: _Optional[int] = ..., total_bytes: _Optional[int] = ..., result: _Optional[_Union[TransferResult, _Mapping]] = ...) -> None: ...
