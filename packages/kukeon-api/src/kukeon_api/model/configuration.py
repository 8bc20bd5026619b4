"""ServerConfiguration and ClientConfiguration: the settings files of kukeond and kuke.

Every setting may be absent, so that flags, environment, file and built-in default can be told apart.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kukeon_api.model.base import API_VERSION, Model


class ConfigurationMetadata(Model):
    """A settings file may have a name; nothing uses it."""

    name: str = ""
    """A name for the file; nothing uses it."""

    labels: dict[str, str] = msgspec.field(default_factory=dict)
    """Words of your own; nothing uses them."""


class ServerConfigurationSpec(Model):
    """Settings of kukeond.  `reconcile_interval` is duration text like `30s`; zero or less switches the tick off."""

    socket: str | None = None
    """Absolute path of the socket that kukeond listens on, 107 bytes at most. Default: /run/kukeon/kukeond.sock."""

    socket_gid: int | None = msgspec.field(name="socketGID", default=None)
    """Group id that owns the socket. Default: that of the group kukeon, if there is one."""

    run_path: str | None = None
    """Absolute path of the directory that holds everything which must survive a reboot. Default: /opt/kukeon."""

    containerd: str | None = None
    """Which containerd to use: system, embedded or auto.

    Default: auto, whichever fits at the very first start. System is the host's, embedded a private one of kukeon's
    own.
    """

    containerd_socket: str | None = None
    """Absolute path of the host's containerd socket. Default: /run/containerd/containerd.sock."""

    log_level: str | None = None
    """The least serious messages that are logged: debug, info, warn or error. Default: info."""

    reconcile_interval: str | None = None
    """How often kukeond looks at everything, as duration text like 30s or 1m30s; zero or less never. Default: 30s."""

    kukeond_image: str | None = None
    """Image of a kukeond that runs in a container. Kukeond is an ordinary process of the host."""

    containerd_namespace_suffix: str | None = None
    """What follows the realm's name in its containerd namespace; fixed once the run path is in use.

    Default: kukeon.io.
    """

    cgroup_root: str | None = None
    """Absolute path, below the cgroup mount, of the cgroup that holds all others; fixed once the run path is in use.

    Default: /kukeon.
    """

    pod_subnet_cidr: str | None = msgspec.field(name="podSubnetCIDR", default=None)
    """IPv4 network from which each space gets a /24. Default: 10.88.0.0/16."""

    log_max_size: str | None = None
    """How large a container's log file gets before the next one is begun, like 512Ki or 10Mi, at least 4Ki.

    Containers take it over when they are next started. Default: 10Mi.
    """

    log_max_files: int | None = None
    """How many files a container's log has at most, 1 to 100, the one being written included. Default: 5."""

    default_memory_limit_bytes: int | None = None
    """How much memory a container may use whose manifest says nothing of it, for those made from now on.

    A manifest, or a space's defaults, that say 0 mean no limit. Default: 0, no limit.
    """

    registry_config_dir: str | None = None
    """Absolute path of the directory that says where registries are and whom to trust, in containerd's format.

    Its files are read at each pull and push. Default: /etc/containerd/certs.d.
    """

    disk_pressure_warn_percent: int | None = None
    """How full the disk of the run path may be before making a cell is worth a warning; 0 never. Default: 85."""

    disk_pressure_block_percent: int | None = None
    """How full the disk of the run path may be before no more cells are made; 0 is no limit. Default: 95."""


class ServerConfiguration(Model):
    """The settings of kukeond: the file /etc/kukeon/kukeond.yaml."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "ServerConfiguration"

    metadata: ConfigurationMetadata = ConfigurationMetadata()
    """A name for the file; nothing uses it."""

    spec: ServerConfigurationSpec = ServerConfigurationSpec()
    """The settings; what is left out has its default."""


class ClientConfigurationSpec(Model):
    """Settings of kuke."""

    host: str | None = None
    """Address of kukeond, unix:// and an absolute path. Default: unix:///run/kukeon/kukeond.sock."""

    run_path: str | None = None
    """Absolute path of the run path, for commands that work without kukeond. Default: /opt/kukeon."""

    containerd_socket: str | None = None
    """Absolute path of the host's containerd socket, for commands that work without kukeond.

    Default: /run/containerd/containerd.sock.
    """

    log_level: str | None = None
    """The least serious messages that kuke tells: debug, info, warn or error. Default: info."""

    containerd_namespace_suffix: str | None = None
    """As in the ServerConfiguration, for commands that work without kukeond. Default: kukeon.io."""

    cgroup_root: str | None = None
    """As in the ServerConfiguration, for commands that work without kukeond. Default: /kukeon."""

    pod_subnet_cidr: str | None = msgspec.field(name="podSubnetCIDR", default=None)
    """As in the ServerConfiguration, for commands that work without kukeond. Default: 10.88.0.0/16."""


class ClientConfiguration(Model):
    """The settings of kuke: the file ~/.kuke/kuke.yaml."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "ClientConfiguration"

    metadata: ConfigurationMetadata = ConfigurationMetadata()
    """A name for the file; nothing uses it."""

    spec: ClientConfigurationSpec = ClientConfigurationSpec()
    """The settings; what is left out has its default."""
