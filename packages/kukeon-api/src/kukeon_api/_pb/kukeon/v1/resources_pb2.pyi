from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RealmState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REALM_STATE_UNSPECIFIED: _ClassVar[RealmState]
    REALM_STATE_PENDING: _ClassVar[RealmState]
    REALM_STATE_CREATING: _ClassVar[RealmState]
    REALM_STATE_READY: _ClassVar[RealmState]
    REALM_STATE_DELETING: _ClassVar[RealmState]
    REALM_STATE_FAILED: _ClassVar[RealmState]
    REALM_STATE_UNKNOWN: _ClassVar[RealmState]

class SpaceState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SPACE_STATE_UNSPECIFIED: _ClassVar[SpaceState]
    SPACE_STATE_PENDING: _ClassVar[SpaceState]
    SPACE_STATE_CREATING: _ClassVar[SpaceState]
    SPACE_STATE_READY: _ClassVar[SpaceState]
    SPACE_STATE_DELETING: _ClassVar[SpaceState]
    SPACE_STATE_FAILED: _ClassVar[SpaceState]
    SPACE_STATE_UNKNOWN: _ClassVar[SpaceState]

class StackState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STACK_STATE_UNSPECIFIED: _ClassVar[StackState]
    STACK_STATE_PENDING: _ClassVar[StackState]
    STACK_STATE_CREATING: _ClassVar[StackState]
    STACK_STATE_READY: _ClassVar[StackState]
    STACK_STATE_DELETING: _ClassVar[StackState]
    STACK_STATE_FAILED: _ClassVar[StackState]
    STACK_STATE_UNKNOWN: _ClassVar[StackState]

class VolumeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VOLUME_KIND_UNSPECIFIED: _ClassVar[VolumeKind]
    VOLUME_KIND_BIND: _ClassVar[VolumeKind]
    VOLUME_KIND_TMPFS: _ClassVar[VolumeKind]

class CellState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CELL_STATE_UNSPECIFIED: _ClassVar[CellState]
    CELL_STATE_PENDING: _ClassVar[CellState]
    CELL_STATE_READY: _ClassVar[CellState]
    CELL_STATE_STOPPED: _ClassVar[CellState]
    CELL_STATE_FAILED: _ClassVar[CellState]
    CELL_STATE_UNKNOWN: _ClassVar[CellState]
    CELL_STATE_EXITED: _ClassVar[CellState]
    CELL_STATE_ERROR: _ClassVar[CellState]
    CELL_STATE_DEGRADED: _ClassVar[CellState]

class DesiredState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DESIRED_STATE_UNSPECIFIED: _ClassVar[DesiredState]
    DESIRED_STATE_RUNNING: _ClassVar[DesiredState]
    DESIRED_STATE_STOPPED: _ClassVar[DesiredState]
    DESIRED_STATE_DELETED: _ClassVar[DesiredState]

class ContainerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONTAINER_STATE_UNSPECIFIED: _ClassVar[ContainerState]
    CONTAINER_STATE_PENDING: _ClassVar[ContainerState]
    CONTAINER_STATE_READY: _ClassVar[ContainerState]
    CONTAINER_STATE_STOPPED: _ClassVar[ContainerState]
    CONTAINER_STATE_PAUSED: _ClassVar[ContainerState]
    CONTAINER_STATE_PAUSING: _ClassVar[ContainerState]
    CONTAINER_STATE_FAILED: _ClassVar[ContainerState]
    CONTAINER_STATE_UNKNOWN: _ClassVar[ContainerState]
    CONTAINER_STATE_NOT_CREATED: _ClassVar[ContainerState]
    CONTAINER_STATE_EXITED: _ClassVar[ContainerState]
    CONTAINER_STATE_ERROR: _ClassVar[ContainerState]
REALM_STATE_UNSPECIFIED: RealmState
REALM_STATE_PENDING: RealmState
REALM_STATE_CREATING: RealmState
REALM_STATE_READY: RealmState
REALM_STATE_DELETING: RealmState
REALM_STATE_FAILED: RealmState
REALM_STATE_UNKNOWN: RealmState
SPACE_STATE_UNSPECIFIED: SpaceState
SPACE_STATE_PENDING: SpaceState
SPACE_STATE_CREATING: SpaceState
SPACE_STATE_READY: SpaceState
SPACE_STATE_DELETING: SpaceState
SPACE_STATE_FAILED: SpaceState
SPACE_STATE_UNKNOWN: SpaceState
STACK_STATE_UNSPECIFIED: StackState
STACK_STATE_PENDING: StackState
STACK_STATE_CREATING: StackState
STACK_STATE_READY: StackState
STACK_STATE_DELETING: StackState
STACK_STATE_FAILED: StackState
STACK_STATE_UNKNOWN: StackState
VOLUME_KIND_UNSPECIFIED: VolumeKind
VOLUME_KIND_BIND: VolumeKind
VOLUME_KIND_TMPFS: VolumeKind
CELL_STATE_UNSPECIFIED: CellState
CELL_STATE_PENDING: CellState
CELL_STATE_READY: CellState
CELL_STATE_STOPPED: CellState
CELL_STATE_FAILED: CellState
CELL_STATE_UNKNOWN: CellState
CELL_STATE_EXITED: CellState
CELL_STATE_ERROR: CellState
CELL_STATE_DEGRADED: CellState
DESIRED_STATE_UNSPECIFIED: DesiredState
DESIRED_STATE_RUNNING: DesiredState
DESIRED_STATE_STOPPED: DesiredState
DESIRED_STATE_DELETED: DesiredState
CONTAINER_STATE_UNSPECIFIED: ContainerState
CONTAINER_STATE_PENDING: ContainerState
CONTAINER_STATE_READY: ContainerState
CONTAINER_STATE_STOPPED: ContainerState
CONTAINER_STATE_PAUSED: ContainerState
CONTAINER_STATE_PAUSING: ContainerState
CONTAINER_STATE_FAILED: ContainerState
CONTAINER_STATE_UNKNOWN: ContainerState
CONTAINER_STATE_NOT_CREATED: ContainerState
CONTAINER_STATE_EXITED: ContainerState
CONTAINER_STATE_ERROR: ContainerState

class Metadata(_message.Message):
    __slots__ = ("name", "labels", "generation")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    labels: _containers.ScalarMap[str, str]
    generation: int
    def __init__(self, name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., generation: _Optional[int] = ...) -> None: ...

class RegistryCredentials(_message.Message):
    __slots__ = ("username", "password", "server_address")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    SERVER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    username: str
    password: str
    server_address: str
    def __init__(self, username: _Optional[str] = ..., password: _Optional[str] = ..., server_address: _Optional[str] = ...) -> None: ...

class RealmSpec(_message.Message):
    __slots__ = ("namespace", "registry_credentials")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    registry_credentials: _containers.RepeatedCompositeFieldContainer[RegistryCredentials]
    def __init__(self, namespace: _Optional[str] = ..., registry_credentials: _Optional[_Iterable[_Union[RegistryCredentials, _Mapping]]] = ...) -> None: ...

class RealmStatus(_message.Message):
    __slots__ = ("state", "reason", "message", "cgroup_path", "cgroup_ready", "subtree_controllers", "created_at", "updated_at", "ready_at", "observed_generation", "containerd_namespace_ready")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CGROUP_PATH_FIELD_NUMBER: _ClassVar[int]
    CGROUP_READY_FIELD_NUMBER: _ClassVar[int]
    SUBTREE_CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    READY_AT_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    CONTAINERD_NAMESPACE_READY_FIELD_NUMBER: _ClassVar[int]
    state: RealmState
    reason: str
    message: str
    cgroup_path: str
    cgroup_ready: bool
    subtree_controllers: _containers.RepeatedScalarFieldContainer[str]
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    ready_at: _timestamp_pb2.Timestamp
    observed_generation: int
    containerd_namespace_ready: bool
    def __init__(self, state: _Optional[_Union[RealmState, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., cgroup_path: _Optional[str] = ..., cgroup_ready: bool = ..., subtree_controllers: _Optional[_Iterable[str]] = ..., created_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., ready_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., observed_generation: _Optional[int] = ..., containerd_namespace_ready: bool = ...) -> None: ...

class RealmDoc(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: Metadata
    spec: RealmSpec
    status: RealmStatus
    def __init__(self, metadata: _Optional[_Union[Metadata, _Mapping]] = ..., spec: _Optional[_Union[RealmSpec, _Mapping]] = ..., status: _Optional[_Union[RealmStatus, _Mapping]] = ...) -> None: ...

class EgressRule(_message.Message):
    __slots__ = ("host", "cidr", "ports")
    HOST_FIELD_NUMBER: _ClassVar[int]
    CIDR_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    host: str
    cidr: str
    ports: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, host: _Optional[str] = ..., cidr: _Optional[str] = ..., ports: _Optional[_Iterable[int]] = ...) -> None: ...

class EgressPolicy(_message.Message):
    __slots__ = ("default", "allow")
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FIELD_NUMBER: _ClassVar[int]
    default: str
    allow: _containers.RepeatedCompositeFieldContainer[EgressRule]
    def __init__(self, default: _Optional[str] = ..., allow: _Optional[_Iterable[_Union[EgressRule, _Mapping]]] = ...) -> None: ...

class SpaceNetwork(_message.Message):
    __slots__ = ("egress",)
    EGRESS_FIELD_NUMBER: _ClassVar[int]
    egress: EgressPolicy
    def __init__(self, egress: _Optional[_Union[EgressPolicy, _Mapping]] = ...) -> None: ...

class Capabilities(_message.Message):
    __slots__ = ("drop", "add")
    DROP_FIELD_NUMBER: _ClassVar[int]
    ADD_FIELD_NUMBER: _ClassVar[int]
    drop: _containers.RepeatedScalarFieldContainer[str]
    add: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, drop: _Optional[_Iterable[str]] = ..., add: _Optional[_Iterable[str]] = ...) -> None: ...

class StringList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, items: _Optional[_Iterable[str]] = ...) -> None: ...

class Tmpfs(_message.Message):
    __slots__ = ("path", "size_bytes", "options")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    path: str
    size_bytes: int
    options: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, path: _Optional[str] = ..., size_bytes: _Optional[int] = ..., options: _Optional[_Iterable[str]] = ...) -> None: ...

class TmpfsList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Tmpfs]
    def __init__(self, items: _Optional[_Iterable[_Union[Tmpfs, _Mapping]]] = ...) -> None: ...

class Resources(_message.Message):
    __slots__ = ("memory_limit_bytes", "cpu_shares", "pids_limit")
    MEMORY_LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_SHARES_FIELD_NUMBER: _ClassVar[int]
    PIDS_LIMIT_FIELD_NUMBER: _ClassVar[int]
    memory_limit_bytes: int
    cpu_shares: int
    pids_limit: int
    def __init__(self, memory_limit_bytes: _Optional[int] = ..., cpu_shares: _Optional[int] = ..., pids_limit: _Optional[int] = ...) -> None: ...

class ContainerDefaults(_message.Message):
    __slots__ = ("user", "read_only_root_filesystem", "capabilities", "security_opts", "tmpfs", "resources")
    USER_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_ROOT_FILESYSTEM_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    SECURITY_OPTS_FIELD_NUMBER: _ClassVar[int]
    TMPFS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    user: str
    read_only_root_filesystem: bool
    capabilities: Capabilities
    security_opts: StringList
    tmpfs: TmpfsList
    resources: Resources
    def __init__(self, user: _Optional[str] = ..., read_only_root_filesystem: bool = ..., capabilities: _Optional[_Union[Capabilities, _Mapping]] = ..., security_opts: _Optional[_Union[StringList, _Mapping]] = ..., tmpfs: _Optional[_Union[TmpfsList, _Mapping]] = ..., resources: _Optional[_Union[Resources, _Mapping]] = ...) -> None: ...

class SpaceDefaults(_message.Message):
    __slots__ = ("container",)
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    container: ContainerDefaults
    def __init__(self, container: _Optional[_Union[ContainerDefaults, _Mapping]] = ...) -> None: ...

class SpaceSpec(_message.Message):
    __slots__ = ("realm_id", "cni_config_path", "network", "defaults")
    REALM_ID_FIELD_NUMBER: _ClassVar[int]
    CNI_CONFIG_PATH_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    realm_id: str
    cni_config_path: str
    network: SpaceNetwork
    defaults: SpaceDefaults
    def __init__(self, realm_id: _Optional[str] = ..., cni_config_path: _Optional[str] = ..., network: _Optional[_Union[SpaceNetwork, _Mapping]] = ..., defaults: _Optional[_Union[SpaceDefaults, _Mapping]] = ...) -> None: ...

class SpaceStatus(_message.Message):
    __slots__ = ("state", "reason", "message", "cgroup_path", "cgroup_ready", "subtree_controllers", "created_at", "updated_at", "ready_at", "observed_generation")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CGROUP_PATH_FIELD_NUMBER: _ClassVar[int]
    CGROUP_READY_FIELD_NUMBER: _ClassVar[int]
    SUBTREE_CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    READY_AT_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    state: SpaceState
    reason: str
    message: str
    cgroup_path: str
    cgroup_ready: bool
    subtree_controllers: _containers.RepeatedScalarFieldContainer[str]
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    ready_at: _timestamp_pb2.Timestamp
    observed_generation: int
    def __init__(self, state: _Optional[_Union[SpaceState, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., cgroup_path: _Optional[str] = ..., cgroup_ready: bool = ..., subtree_controllers: _Optional[_Iterable[str]] = ..., created_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., ready_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., observed_generation: _Optional[int] = ...) -> None: ...

class SpaceDoc(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: Metadata
    spec: SpaceSpec
    status: SpaceStatus
    def __init__(self, metadata: _Optional[_Union[Metadata, _Mapping]] = ..., spec: _Optional[_Union[SpaceSpec, _Mapping]] = ..., status: _Optional[_Union[SpaceStatus, _Mapping]] = ...) -> None: ...

class StackSpec(_message.Message):
    __slots__ = ("id", "realm_id", "space_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    REALM_ID_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    realm_id: str
    space_id: str
    def __init__(self, id: _Optional[str] = ..., realm_id: _Optional[str] = ..., space_id: _Optional[str] = ...) -> None: ...

class StackStatus(_message.Message):
    __slots__ = ("state", "reason", "message", "cgroup_path", "cgroup_ready", "subtree_controllers", "created_at", "updated_at", "ready_at", "observed_generation")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CGROUP_PATH_FIELD_NUMBER: _ClassVar[int]
    CGROUP_READY_FIELD_NUMBER: _ClassVar[int]
    SUBTREE_CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    READY_AT_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    state: StackState
    reason: str
    message: str
    cgroup_path: str
    cgroup_ready: bool
    subtree_controllers: _containers.RepeatedScalarFieldContainer[str]
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    ready_at: _timestamp_pb2.Timestamp
    observed_generation: int
    def __init__(self, state: _Optional[_Union[StackState, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., cgroup_path: _Optional[str] = ..., cgroup_ready: bool = ..., subtree_controllers: _Optional[_Iterable[str]] = ..., created_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., ready_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., observed_generation: _Optional[int] = ...) -> None: ...

class StackDoc(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: Metadata
    spec: StackSpec
    status: StackStatus
    def __init__(self, metadata: _Optional[_Union[Metadata, _Mapping]] = ..., spec: _Optional[_Union[StackSpec, _Mapping]] = ..., status: _Optional[_Union[StackStatus, _Mapping]] = ...) -> None: ...

class CellTty(_message.Message):
    __slots__ = ("default",)
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    default: str
    def __init__(self, default: _Optional[str] = ...) -> None: ...

class VolumeMount(_message.Message):
    __slots__ = ("kind", "source", "target", "read_only", "size_bytes", "mode")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    kind: VolumeKind
    source: str
    target: str
    read_only: bool
    size_bytes: int
    mode: int
    def __init__(self, kind: _Optional[_Union[VolumeKind, str]] = ..., source: _Optional[str] = ..., target: _Optional[str] = ..., read_only: bool = ..., size_bytes: _Optional[int] = ..., mode: _Optional[int] = ...) -> None: ...

class ContainerSecret(_message.Message):
    __slots__ = ("name", "from_file", "from_env", "mount_path")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FROM_FILE_FIELD_NUMBER: _ClassVar[int]
    FROM_ENV_FIELD_NUMBER: _ClassVar[int]
    MOUNT_PATH_FIELD_NUMBER: _ClassVar[int]
    name: str
    from_file: str
    from_env: str
    mount_path: str
    def __init__(self, name: _Optional[str] = ..., from_file: _Optional[str] = ..., from_env: _Optional[str] = ..., mount_path: _Optional[str] = ...) -> None: ...

class TtyStage(_message.Message):
    __slots__ = ("script",)
    SCRIPT_FIELD_NUMBER: _ClassVar[int]
    script: str
    def __init__(self, script: _Optional[str] = ...) -> None: ...

class ContainerTty(_message.Message):
    __slots__ = ("prompt", "on_init", "log_file")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    ON_INIT_FIELD_NUMBER: _ClassVar[int]
    LOG_FILE_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    on_init: _containers.RepeatedCompositeFieldContainer[TtyStage]
    log_file: str
    def __init__(self, prompt: _Optional[str] = ..., on_init: _Optional[_Iterable[_Union[TtyStage, _Mapping]]] = ..., log_file: _Optional[str] = ...) -> None: ...

class ContainerSpec(_message.Message):
    __slots__ = ("id", "containerd_id", "realm_id", "space_id", "stack_id", "cell_id", "root", "image", "command", "args", "working_dir", "env", "ports", "volumes", "networks", "networks_aliases", "privileged", "host_network", "host_pid", "host_cgroup", "user", "read_only_root_filesystem", "capabilities", "security_opts", "tmpfs", "resources", "secrets", "cni_config_path", "restart_policy", "attachable", "tty", "labels", "devices", "restart_backoff_seconds", "restart_max_retries", "image_pull_policy")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTAINERD_ID_FIELD_NUMBER: _ClassVar[int]
    REALM_ID_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    STACK_ID_FIELD_NUMBER: _ClassVar[int]
    CELL_ID_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIR_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    NETWORKS_ALIASES_FIELD_NUMBER: _ClassVar[int]
    PRIVILEGED_FIELD_NUMBER: _ClassVar[int]
    HOST_NETWORK_FIELD_NUMBER: _ClassVar[int]
    HOST_PID_FIELD_NUMBER: _ClassVar[int]
    HOST_CGROUP_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_ROOT_FILESYSTEM_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    SECURITY_OPTS_FIELD_NUMBER: _ClassVar[int]
    TMPFS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    CNI_CONFIG_PATH_FIELD_NUMBER: _ClassVar[int]
    RESTART_POLICY_FIELD_NUMBER: _ClassVar[int]
    ATTACHABLE_FIELD_NUMBER: _ClassVar[int]
    TTY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    RESTART_BACKOFF_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RESTART_MAX_RETRIES_FIELD_NUMBER: _ClassVar[int]
    IMAGE_PULL_POLICY_FIELD_NUMBER: _ClassVar[int]
    id: str
    containerd_id: str
    realm_id: str
    space_id: str
    stack_id: str
    cell_id: str
    root: bool
    image: str
    command: str
    args: _containers.RepeatedScalarFieldContainer[str]
    working_dir: str
    env: _containers.RepeatedScalarFieldContainer[str]
    ports: _containers.RepeatedScalarFieldContainer[str]
    volumes: _containers.RepeatedCompositeFieldContainer[VolumeMount]
    networks: _containers.RepeatedScalarFieldContainer[str]
    networks_aliases: _containers.RepeatedScalarFieldContainer[str]
    privileged: bool
    host_network: bool
    host_pid: bool
    host_cgroup: bool
    user: str
    read_only_root_filesystem: bool
    capabilities: Capabilities
    security_opts: StringList
    tmpfs: TmpfsList
    resources: Resources
    secrets: _containers.RepeatedCompositeFieldContainer[ContainerSecret]
    cni_config_path: str
    restart_policy: str
    attachable: bool
    tty: ContainerTty
    labels: _containers.ScalarMap[str, str]
    devices: _containers.RepeatedScalarFieldContainer[str]
    restart_backoff_seconds: int
    restart_max_retries: int
    image_pull_policy: str
    def __init__(self, id: _Optional[str] = ..., containerd_id: _Optional[str] = ..., realm_id: _Optional[str] = ..., space_id: _Optional[str] = ..., stack_id: _Optional[str] = ..., cell_id: _Optional[str] = ..., root: bool = ..., image: _Optional[str] = ..., command: _Optional[str] = ..., args: _Optional[_Iterable[str]] = ..., working_dir: _Optional[str] = ..., env: _Optional[_Iterable[str]] = ..., ports: _Optional[_Iterable[str]] = ..., volumes: _Optional[_Iterable[_Union[VolumeMount, _Mapping]]] = ..., networks: _Optional[_Iterable[str]] = ..., networks_aliases: _Optional[_Iterable[str]] = ..., privileged: bool = ..., host_network: bool = ..., host_pid: bool = ..., host_cgroup: bool = ..., user: _Optional[str] = ..., read_only_root_filesystem: bool = ..., capabilities: _Optional[_Union[Capabilities, _Mapping]] = ..., security_opts: _Optional[_Union[StringList, _Mapping]] = ..., tmpfs: _Optional[_Union[TmpfsList, _Mapping]] = ..., resources: _Optional[_Union[Resources, _Mapping]] = ..., secrets: _Optional[_Iterable[_Union[ContainerSecret, _Mapping]]] = ..., cni_config_path: _Optional[str] = ..., restart_policy: _Optional[str] = ..., attachable: bool = ..., tty: _Optional[_Union[ContainerTty, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., devices: _Optional[_Iterable[str]] = ..., restart_backoff_seconds: _Optional[int] = ..., restart_max_retries: _Optional[int] = ..., image_pull_policy: _Optional[str] = ...) -> None: ...

class CellSpec(_message.Message):
    __slots__ = ("id", "realm_id", "space_id", "stack_id", "root_container_id", "tty", "containers", "auto_delete", "nested_cgroup_runtime", "ignore_disk_pressure")
    ID_FIELD_NUMBER: _ClassVar[int]
    REALM_ID_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    STACK_ID_FIELD_NUMBER: _ClassVar[int]
    ROOT_CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    TTY_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    AUTO_DELETE_FIELD_NUMBER: _ClassVar[int]
    NESTED_CGROUP_RUNTIME_FIELD_NUMBER: _ClassVar[int]
    IGNORE_DISK_PRESSURE_FIELD_NUMBER: _ClassVar[int]
    id: str
    realm_id: str
    space_id: str
    stack_id: str
    root_container_id: str
    tty: CellTty
    containers: _containers.RepeatedCompositeFieldContainer[ContainerSpec]
    auto_delete: bool
    nested_cgroup_runtime: bool
    ignore_disk_pressure: bool
    def __init__(self, id: _Optional[str] = ..., realm_id: _Optional[str] = ..., space_id: _Optional[str] = ..., stack_id: _Optional[str] = ..., root_container_id: _Optional[str] = ..., tty: _Optional[_Union[CellTty, _Mapping]] = ..., containers: _Optional[_Iterable[_Union[ContainerSpec, _Mapping]]] = ..., auto_delete: bool = ..., nested_cgroup_runtime: bool = ..., ignore_disk_pressure: bool = ...) -> None: ...

class CellNetworkStatus(_message.Message):
    __slots__ = ("bridge_name", "address", "gateway")
    BRIDGE_NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    bridge_name: str
    address: str
    gateway: str
    def __init__(self, bridge_name: _Optional[str] = ..., address: _Optional[str] = ..., gateway: _Optional[str] = ...) -> None: ...

class ContainerStatus(_message.Message):
    __slots__ = ("name", "id", "state", "restart_count", "restart_time", "start_time", "finish_time", "created_at", "exit_code", "exit_signal", "oom_killed", "reason", "message", "restart_attempts", "next_restart", "image_digest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RESTART_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESTART_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    FINISH_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    EXIT_SIGNAL_FIELD_NUMBER: _ClassVar[int]
    OOM_KILLED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RESTART_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_RESTART_FIELD_NUMBER: _ClassVar[int]
    IMAGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    id: str
    state: ContainerState
    restart_count: int
    restart_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    finish_time: _timestamp_pb2.Timestamp
    created_at: _timestamp_pb2.Timestamp
    exit_code: int
    exit_signal: str
    oom_killed: bool
    reason: str
    message: str
    restart_attempts: int
    next_restart: _timestamp_pb2.Timestamp
    image_digest: str
    def __init__(self, name: _Optional[str] = ..., id: _Optional[str] = ..., state: _Optional[_Union[ContainerState, str]] = ..., restart_count: _Optional[int] = ..., restart_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., finish_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., created_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., exit_code: _Optional[int] = ..., exit_signal: _Optional[str] = ..., oom_killed: bool = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., restart_attempts: _Optional[int] = ..., next_restart: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., image_digest: _Optional[str] = ...) -> None: ...

class CellStatus(_message.Message):
    __slots__ = ("state", "reason", "message", "cgroup_path", "cgroup_ready", "subtree_controllers", "created_at", "updated_at", "ready_at", "observed_generation", "desired", "network", "containers", "ready_observed")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CGROUP_PATH_FIELD_NUMBER: _ClassVar[int]
    CGROUP_READY_FIELD_NUMBER: _ClassVar[int]
    SUBTREE_CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    READY_AT_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    DESIRED_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    READY_OBSERVED_FIELD_NUMBER: _ClassVar[int]
    state: CellState
    reason: str
    message: str
    cgroup_path: str
    cgroup_ready: bool
    subtree_controllers: _containers.RepeatedScalarFieldContainer[str]
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    ready_at: _timestamp_pb2.Timestamp
    observed_generation: int
    desired: DesiredState
    network: CellNetworkStatus
    containers: _containers.RepeatedCompositeFieldContainer[ContainerStatus]
    ready_observed: bool
    def __init__(self, state: _Optional[_Union[CellState, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., cgroup_path: _Optional[str] = ..., cgroup_ready: bool = ..., subtree_controllers: _Optional[_Iterable[str]] = ..., created_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., ready_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., observed_generation: _Optional[int] = ..., desired: _Optional[_Union[DesiredState, str]] = ..., network: _Optional[_Union[CellNetworkStatus, _Mapping]] = ..., containers: _Optional[_Iterable[_Union[ContainerStatus, _Mapping]]] = ..., ready_observed: bool = ...) -> None: ...

class CellDoc(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: Metadata
    spec: CellSpec
    status: CellStatus
    def __init__(self, metadata: _Optional[_Union[Metadata, _Mapping]] = ..., spec: _Optional[_Union[CellSpec, _Mapping]] = ..., status: _Optional[_Union[CellStatus, _Mapping]] = ...) -> None: ...

class ContainerDoc(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: Metadata
    spec: ContainerSpec
    status: ContainerStatus
    def __init__(self, metadata: _Optional[_Union[Metadata, _Mapping]] = ..., spec: _Optional[_Union[ContainerSpec, _Mapping]] = ..., status: _Optional[_Union[ContainerStatus, _Mapping]] = ...) -> None: ...

class ImagePlatform(_message.Message):
    __slots__ = ("platform", "digest", "size", "present")
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    platform: str
    digest: str
    size: int
    present: bool
    def __init__(self, platform: _Optional[str] = ..., digest: _Optional[str] = ..., size: _Optional[int] = ..., present: bool = ...) -> None: ...

class ImageLayer(_message.Message):
    __slots__ = ("digest", "media_type", "size")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    digest: str
    media_type: str
    size: int
    def __init__(self, digest: _Optional[str] = ..., media_type: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class ImageConfig(_message.Message):
    __slots__ = ("user", "env", "entrypoint", "cmd", "working_dir", "stop_signal", "volumes", "exposed_ports", "labels", "healthcheck")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    USER_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    ENTRYPOINT_FIELD_NUMBER: _ClassVar[int]
    CMD_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIR_FIELD_NUMBER: _ClassVar[int]
    STOP_SIGNAL_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    EXPOSED_PORTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    HEALTHCHECK_FIELD_NUMBER: _ClassVar[int]
    user: str
    env: _containers.RepeatedScalarFieldContainer[str]
    entrypoint: _containers.RepeatedScalarFieldContainer[str]
    cmd: _containers.RepeatedScalarFieldContainer[str]
    working_dir: str
    stop_signal: str
    volumes: _containers.RepeatedScalarFieldContainer[str]
    exposed_ports: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.ScalarMap[str, str]
    healthcheck: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, user: _Optional[str] = ..., env: _Optional[_Iterable[str]] = ..., entrypoint: _Optional[_Iterable[str]] = ..., cmd: _Optional[_Iterable[str]] = ..., working_dir: _Optional[str] = ..., stop_signal: _Optional[str] = ..., volumes: _Optional[_Iterable[str]] = ..., exposed_ports: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., healthcheck: _Optional[_Iterable[str]] = ...) -> None: ...

class ImageInfo(_message.Message):
    __slots__ = ("name", "size", "created_at", "digest", "media_type", "labels", "built_at", "platforms", "layers", "config")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    BUILT_AT_FIELD_NUMBER: _ClassVar[int]
    PLATFORMS_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    name: str
    size: int
    created_at: _timestamp_pb2.Timestamp
    digest: str
    media_type: str
    labels: _containers.ScalarMap[str, str]
    built_at: _timestamp_pb2.Timestamp
    platforms: _containers.RepeatedCompositeFieldContainer[ImagePlatform]
    layers: _containers.RepeatedCompositeFieldContainer[ImageLayer]
    config: ImageConfig
    def __init__(self, name: _Optional[str] = ..., size: _Optional[int] = ..., created_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., digest: _Optional[str] = ..., media_type: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., built_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., platforms: _Optional[_Iterable[_Union[ImagePlatform, _Mapping]]] = ..., layers: _Optional[_Iterable[_Union[ImageLayer, _Mapping]]] = ..., config: _Optional[_Union[ImageConfig, _Mapping]] = ...) -> None: ...
