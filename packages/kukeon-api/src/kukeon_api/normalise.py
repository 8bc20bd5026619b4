"""The one normal form of documents, for every way in: apply, create, run and programs.

Normalising twice changes nothing, and so does merging a space's defaults twice.
"""

from __future__ import annotations

from typing import TypeVar, assert_never

import msgspec

from kukeon_api import egress, errors, image_ref, model, names, ports

D = TypeVar("D", bound=model.Doc)
S = TypeVar("S", model.ContainerSpec, model.ContainerDefaults)


def normalise(doc: D) -> D:
    """Return `doc` in normal form; raises `Invalid` where a name, image or root is wrong.

    Ids default to names; a cell's root is marked by both `root_container_id` and the container's `root` flag; the
    containers of a cell know their place and containerd id; a container document has the same labels in its metadata
    and its spec; image references are full; capabilities are spelled `CAP_X` and security options with `=`; registries
    are in lower case; ports say address and protocol; the networks and ports of an egress policy are in canonical form.
    """
    model.ref_of(doc)
    replace = msgspec.structs.replace
    match doc:
        case model.RealmDoc():
            return replace(doc, spec=_realm(doc.spec))
        case model.SpaceDoc():
            return replace(doc, spec=_space(doc.spec))
        case model.StackDoc():
            return replace(doc, spec=replace(doc.spec, id=doc.spec.id or doc.metadata.name))
        case model.CellDoc():
            return replace(doc, spec=cell_spec(doc.metadata.name, doc.spec))
        case model.ContainerDoc():
            labels = {**doc.spec.labels, **doc.metadata.labels}
            spec = replace(doc.spec, id=doc.spec.id or doc.metadata.name, labels=labels)
            return replace(doc, metadata=replace(doc.metadata, labels=labels), spec=_container(spec))
        case unreachable:
            assert_never(unreachable)


def cell_spec(name: str, spec: model.CellSpec) -> model.CellSpec:
    """Return the normal form of the spec of the cell called `name`."""
    root = root_of(spec)
    containers = tuple(
        _container(
            msgspec.structs.replace(
                container,
                realm_id=spec.realm_id,
                space_id=spec.space_id,
                stack_id=spec.stack_id,
                cell_id=name,
                root=bool(root) and container.id == root,
            )
        )
        for container in spec.containers
    )
    return msgspec.structs.replace(spec, id=spec.id or name, root_container_id=root, containers=containers)


def root_of(spec: model.CellSpec) -> str:
    """Return the id of the user's own root container, "" when the cell has none.

    Raises `MultipleRootContainers`, or `RootContainerMismatch` when id and flag disagree or the id is of no container.
    """
    flagged = [container.id for container in spec.containers if container.root]
    if len(flagged) > 1:
        raise errors.MultipleRootContainers(f"cannot use the cell: {len(flagged)} containers have root: true")
    root = spec.root_container_id or (flagged[0] if flagged else "")
    if flagged and flagged[0] != root:
        raise errors.RootContainerMismatch(
            f"cannot use the cell: rootContainerId is {root!r}, but {flagged[0]!r} has root: true"
        )
    if root and all(container.id != root for container in spec.containers):
        raise errors.RootContainerMismatch(f"cannot use the cell: rootContainerId {root!r} is no container of it")
    return root


def effective(cell: model.CellDoc, space: model.SpaceSpec) -> model.CellDoc:
    """Return `cell` as it is stored: with the defaults of its space filled in where its containers say nothing.

    What is about one request is left out.
    """
    spec = msgspec.structs.replace(
        cell.spec,
        containers=tuple(effective_container(container, space) for container in cell.spec.containers),
        ignore_disk_pressure=False,
    )
    return msgspec.structs.replace(cell, spec=spec)


def effective_container(container: model.ContainerSpec, space: model.SpaceSpec) -> model.ContainerSpec:
    """Return `container` with the space's defaults in place of what it leaves unset; whole values, never merged."""
    defaults = space.defaults.container if space.defaults else None
    if defaults is None:
        return container
    defaults = _settings(defaults)
    missing = {
        field: getattr(defaults, field)
        for field in model.ContainerDefaults.__struct_fields__
        if getattr(container, field) is None
    }
    return msgspec.structs.replace(container, **missing)


def capability(text: str) -> str:
    """Return a capability as the kernel spells it: `net_admin` -> `CAP_NET_ADMIN`; `all` -> `ALL`."""
    bare = text.strip().upper().removeprefix("CAP_")
    return "ALL" if bare == "ALL" else f"CAP_{bare}"


def security_opt(text: str) -> str:
    """Return a security option with `=` for a separator: `seccomp:unconfined` -> `seccomp=unconfined`."""
    name, separator, value = text.strip().partition("=" if "=" in text else ":")
    return f"{name}={value}" if separator else name


def _realm(spec: model.RealmSpec) -> model.RealmSpec:
    credentials = tuple(
        msgspec.structs.replace(each, server_address=each.server_address.lower()) for each in spec.registry_credentials
    )
    return msgspec.structs.replace(spec, registry_credentials=credentials)


def _space(spec: model.SpaceSpec) -> model.SpaceSpec:
    if spec.network is not None and spec.network.egress is not None:
        network = msgspec.structs.replace(spec.network, egress=egress.normalise(spec.network.egress))
        spec = msgspec.structs.replace(spec, network=network)
    if spec.defaults is None or spec.defaults.container is None:
        return spec
    defaults = msgspec.structs.replace(spec.defaults, container=_settings(spec.defaults.container))
    return msgspec.structs.replace(spec, defaults=defaults)


def _container(spec: model.ContainerSpec) -> model.ContainerSpec:
    own = names.ROOT if spec.root else spec.id
    spec = msgspec.structs.replace(
        spec,
        containerd_id=names.containerd_id(spec.space_id, spec.stack_id, spec.cell_id, own),
        image=image_ref.normalise(spec.image) if spec.image else "",
        ports=tuple(map(_port, spec.ports)),
    )
    return _settings(spec)


def _port(text: str) -> str:
    try:
        return ports.canonical(text)
    except ValueError:
        return text  # the rules tell what is wrong with it


def _settings(spec: S) -> S:
    if spec.capabilities is not None:
        capabilities = model.Capabilities(
            drop=tuple(capability(each) for each in spec.capabilities.drop),
            add=tuple(capability(each) for each in spec.capabilities.add),
        )
        spec = msgspec.structs.replace(spec, capabilities=capabilities)
    if spec.security_opts is not None:
        spec = msgspec.structs.replace(spec, security_opts=tuple(security_opt(each) for each in spec.security_opts))
    return spec
