"""The rules of documents that a JSON Schema can say: what must be there, and bounds of single values.

Rules that need code (one field depends on another, names that compose ids) are not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import container_rules, image_rules, model, ports, restart_rules, settings_rules
from kukeon_api.fields import fields_of

if TYPE_CHECKING:
    import msgspec

_ABSOLUTE = "^/"
_AT_LEAST_ZERO = {"minimum": 0}
_LABELS = {"propertyNames": {"pattern": r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$"}}

_CONSTRAINTS: dict[tuple[type, str], dict[str, Any]] = {
    (model.Metadata, "labels"): _LABELS,
    (model.Metadata, "generation"): _AT_LEAST_ZERO,
    (model.ContainerSpec, "labels"): _LABELS,
    (model.ContainerSpec, "image"): {"minLength": 1},
    (model.ContainerSpec, "image_pull_policy"): {"enum": ["", *image_rules.POLICIES]},
    (model.ContainerSpec, "restart_policy"): {"enum": ["", *restart_rules.POLICIES]},
    (model.ContainerSpec, "restart_backoff_seconds"): {"minimum": 0, "maximum": restart_rules.LONGEST_BACKOFF_S},
    (model.ContainerSpec, "restart_max_retries"): {"minimum": 1, "maximum": restart_rules.MOST_RETRIES},
    (model.ContainerSpec, "env"): {"items": {"pattern": "^[^=]+="}},
    (model.VolumeMount, "target"): {"pattern": _ABSOLUTE},
    (model.VolumeMount, "size_bytes"): _AT_LEAST_ZERO,
    (model.VolumeMount, "mode"): {"minimum": 0, "maximum": 0o7777},
    (model.ContainerSpec, "devices"): {"items": {"pattern": "^/dev/"}},
    (model.ContainerSecret, "name"): {"pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"},
    (model.ContainerSecret, "from_file"): {"pattern": "^(/|$)"},
    (model.ContainerSecret, "mount_path"): {"pattern": "^(/|$)"},
    (model.Tmpfs, "path"): {"pattern": _ABSOLUTE},
    (model.Tmpfs, "size_bytes"): _AT_LEAST_ZERO,
    (model.EgressPolicy, "default"): {"pattern": "^[ \\t]*([Aa][Ll][Ll][Oo][Ww]|[Dd][Ee][Nn][Yy])?[ \\t]*$"},
    (model.EgressRule, "ports"): {"items": {"minimum": 1, "maximum": ports.MAX_PORT}},
    (model.ContainerSpec, "ports"): {"items": {"pattern": ":"}},
    (model.Resources, "memory_limit_bytes"): _AT_LEAST_ZERO,
    (model.Resources, "cpu_shares"): {"minimum": 0, "maximum": container_rules.MAX_CPU_SHARES},
    (model.Resources, "pids_limit"): _AT_LEAST_ZERO,
    (model.RegistryCredentials, "username"): {"pattern": "^[^:]+$"},
    (model.ServerConfigurationSpec, "log_level"): {"enum": ["", *settings_rules.LOG_LEVELS]},
    (model.ClientConfigurationSpec, "log_level"): {"enum": ["", *settings_rules.LOG_LEVELS]},
    (model.ServerConfigurationSpec, "containerd"): {"enum": ["", *settings_rules.CONTAINERD_MODES]},
    (model.ServerConfigurationSpec, "socket_gid"): {"minimum": 0, "maximum": 2**32 - 2},
}

# What the rules require although the types, which also serve requests with names only, do not.
_REQUIRED: dict[tuple[str, type], tuple[str, ...]] = {
    ("Cell", model.CellSpec): ("containers",),
    ("Cell", model.ContainerSpec): ("id", "image"),
    ("Cell", model.VolumeMount): ("target",),
    ("Cell", model.Tmpfs): ("path",),
    ("Cell", model.ContainerSecret): ("name",),
    ("Container", model.ContainerSpec): ("realmId", "spaceId", "stackId", "cellId", "image"),
    ("Container", model.VolumeMount): ("target",),
    ("Container", model.Tmpfs): ("path",),
    ("Container", model.ContainerSecret): ("name",),
    ("CellProfile", model.CellSpec): ("containers",),
    ("CellProfile", model.ContainerSpec): ("id", "image"),
    ("CellProfile", model.VolumeMount): ("target",),
    ("CellProfile", model.Tmpfs): ("path",),
    ("CellProfile", model.ContainerSecret): ("name",),
    ("Realm", model.RegistryCredentials): ("username",),
    ("Space", model.Tmpfs): ("path",),
}


def required(kind: str, wanted: type[msgspec.Struct]) -> list[str]:
    """Return the fields, as on paper, that a model must have in a document of a kind, in their order."""
    needed = _REQUIRED.get((kind, wanted), ())
    return [field.paper for field in fields_of(wanted) if field.required or field.paper in needed]


def constraints(wanted: type, field: str) -> dict[str, Any]:
    """Return what a value of the field must be besides its type, as keywords of JSON Schema."""
    return _CONSTRAINTS.get((wanted, field), {})
