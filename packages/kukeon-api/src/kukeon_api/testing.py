"""Hypothesis strategies for documents, for the tests of everything that keeps or carries them."""

from __future__ import annotations

import datetime as dt
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st

from kukeon_api import container_rules, model, names
from kukeon_api.fields import Field, fields_of

M = TypeVar("M", bound=msgspec.Struct)

# No '--': such names cannot be part of a containerd id.
resource_names = st.from_regex(r"[a-z0-9]{1,6}(?:-[a-z0-9]{1,5})?", fullmatch=True).filter(
    lambda name: name not in (names.ROOT, names.SYSTEM_REALM)
)
"""Names that a user may give."""

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_times = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31), timezones=st.just(dt.UTC))
_scalars: dict[type, st.SearchStrategy[Any]] = {
    str: _text,
    bytes: st.binary(max_size=20),
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    dt.datetime: _times,
}


def any_model(wanted: type[M]) -> st.SearchStrategy[M]:
    """Return values of a model with anything that its types allow, sensible or not."""
    return st.builds(wanted, **{field.name: _field(field) for field in fields_of(wanted)})


def _field(field: Field) -> st.SearchStrategy[Any]:
    item: st.SearchStrategy[Any]
    if field.nested:
        item = st.deferred(lambda: any_model(field.item))
    elif field.choice:
        item = st.sampled_from(field.choices)
    elif field.pattern:
        item = resource_names
    else:
        item = _scalars[field.item]
    if field.shape == "list":
        item = st.lists(item, max_size=3).map(tuple)
    elif field.shape == "map":
        item = st.dictionaries(_text, item, max_size=3)
    return st.none() | item if field.optional else item


# ---- documents that every rule accepts ----

_characters = st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cc"])
_printable = st.text(_characters, max_size=20)
_paths = st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True), min_size=1, max_size=3).map(
    lambda parts: "/" + "/".join(parts)
)
_labels = st.dictionaries(st.from_regex(r"[a-z]{1,8}(?:/[a-z]{1,8})?", fullmatch=True), _printable, max_size=3)
_env = st.builds("{}={}".format, st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), _printable)
_limits = st.none() | st.integers(0, 2**62)
_capabilities = st.lists(st.sampled_from(sorted(container_rules.CAPABILITIES)), max_size=3).map(tuple)

tmpfs = st.builds(
    model.Tmpfs,
    path=_paths.map(lambda path: f"/memory{path}"),
    size_bytes=_limits,
    options=st.lists(st.sampled_from(["noexec", "ro", "mode=1777", "size=64m"]), max_size=2).map(tuple),
)
_targets = _paths.map(lambda path: f"/volumes{path}")
volumes = st.builds(
    model.VolumeMount,
    kind=st.just(model.VolumeKind.BIND),
    source=_paths,
    target=_targets,
    read_only=st.booleans(),
) | st.builds(
    model.VolumeMount,
    kind=st.just(model.VolumeKind.TMPFS),
    target=_targets,
    read_only=st.booleans(),
    size_bytes=_limits,
    mode=st.none() | st.integers(0, 0o7777),
)
_settings: dict[str, st.SearchStrategy[Any]] = {
    "user": st.none() | st.sampled_from(["", "1000", "1000:10", "nobody", "www-data:www-data"]),
    "read_only_root_filesystem": st.none() | st.booleans(),
    "capabilities": st.none() | st.builds(model.Capabilities, drop=_capabilities, add=_capabilities),
    "security_opts": st.none()
    | st.lists(st.sampled_from(["no-new-privileges", "seccomp=unconfined"]), max_size=2).map(tuple),
    "tmpfs": st.none() | st.lists(tmpfs, max_size=2, unique_by=lambda each: each.path).map(tuple),
    "resources": st.none()
    | st.builds(
        model.Resources,
        memory_limit_bytes=_limits,
        cpu_shares=st.none() | st.integers(2, 262144),
        pids_limit=_limits,
    ),
}
_images = st.sampled_from(["busybox", "quay.io/a/b:1", "registry:5000/x/y@sha256:" + "a" * 64])


@st.composite
def containers(draw: st.DrawFn) -> model.ContainerSpec:
    """Return containers as they stand in a cell."""
    return model.ContainerSpec(
        id=draw(resource_names),
        image=draw(_images),
        command=draw(_printable),
        args=tuple(draw(st.lists(_printable.filter(bool), max_size=3))),
        working_dir=draw(st.just("") | _paths),
        env=tuple(draw(st.lists(_env, max_size=3))),
        volumes=tuple(draw(st.lists(volumes, max_size=2, unique_by=lambda each: each.target))),
        labels=draw(_labels),
        **{name: draw(strategy) for name, strategy in _settings.items()},
    )


_credentials = st.builds(
    model.RegistryCredentials,
    username=st.sampled_from(["nobody", "robot$kukeon", "a@example.org"]),
    password=_printable,
    server_address=st.sampled_from(["", "docker.io", "registry:5000", "quay.example.org", "[fe80::1]:443"]),
)
metadata = st.builds(model.Metadata, name=resource_names, labels=_labels)
realms = st.builds(
    model.RealmDoc,
    metadata=metadata,
    spec=st.builds(
        model.RealmSpec,
        namespace=st.just("") | resource_names,
        registry_credentials=st.lists(
            _credentials, max_size=3, unique_by=lambda each: each.server_address or "docker.io"
        ).map(tuple),
    ),
)
spaces = st.builds(
    model.SpaceDoc,
    metadata=metadata,
    spec=st.builds(
        model.SpaceSpec,
        realm_id=resource_names,
        defaults=st.none()
        | st.builds(model.SpaceDefaults, container=st.none() | st.builds(model.ContainerDefaults, **_settings)),
    ),
)
stacks = st.builds(
    model.StackDoc,
    metadata=metadata,
    spec=st.builds(model.StackSpec, realm_id=resource_names, space_id=resource_names),
)


@st.composite
def cells(draw: st.DrawFn) -> model.CellDoc:
    """Return cells, some with a root of their own."""
    members = draw(st.lists(containers(), min_size=1, max_size=3, unique_by=lambda each: each.id))
    if draw(st.booleans()):
        members[0] = msgspec.structs.replace(members[0], root=True)
    return model.CellDoc(
        metadata=draw(metadata),
        spec=model.CellSpec(
            realm_id=draw(resource_names),
            space_id=draw(resource_names),
            stack_id=draw(resource_names),
            containers=tuple(members),
        ),
    )


@st.composite
def container_docs(draw: st.DrawFn) -> model.ContainerDoc:
    """Return containers with their place; their labels stand in the metadata."""
    spec = msgspec.structs.replace(draw(containers()), labels={})
    place = {name: draw(resource_names) for name in ("realm_id", "space_id", "stack_id", "cell_id")}
    return model.ContainerDoc(
        metadata=model.Metadata(name=spec.id, labels=draw(_labels)), spec=msgspec.structs.replace(spec, **place)
    )


documents: st.SearchStrategy[model.Doc] = st.one_of(realms, spaces, stacks, cells(), container_docs())
"""Documents of every kind that every rule accepts."""
