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
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class ServerConfigurationSpec(Model):
    """Settings of kukeond.  `reconcile_interval` is duration text like `30s`; zero or less switches the tick off."""

    socket: str | None = None
    socket_gid: int | None = msgspec.field(name="socketGID", default=None)
    run_path: str | None = None
    containerd: str | None = None
    containerd_socket: str | None = None
    log_level: str | None = None
    reconcile_interval: str | None = None
    kukeond_image: str | None = None
    containerd_namespace_suffix: str | None = None
    cgroup_root: str | None = None
    pod_subnet_cidr: str | None = msgspec.field(name="podSubnetCIDR", default=None)


class ServerConfiguration(Model):
    """The file /etc/kukeon/kukeond.yaml."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "ServerConfiguration"

    metadata: ConfigurationMetadata = ConfigurationMetadata()
    spec: ServerConfigurationSpec = ServerConfigurationSpec()


class ClientConfigurationSpec(Model):
    """Settings of kuke."""

    host: str | None = None
    run_path: str | None = None
    containerd_socket: str | None = None
    log_level: str | None = None
    containerd_namespace_suffix: str | None = None
    cgroup_root: str | None = None
    pod_subnet_cidr: str | None = msgspec.field(name="podSubnetCIDR", default=None)


class ClientConfiguration(Model):
    """The file ~/.kuke/kuke.yaml."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "ClientConfiguration"

    metadata: ConfigurationMetadata = ConfigurationMetadata()
    spec: ClientConfigurationSpec = ClientConfigurationSpec()
