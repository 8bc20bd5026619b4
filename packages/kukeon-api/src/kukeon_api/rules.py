"""What makes a document right, beyond the types of its fields: every problem at once.

These rules hold for every way in.  Looking at something (get, list) needs none of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import container_rules, egress, errors, model, names, ports, registry_rules, terminal_rules, unsupported
from kukeon_api.errors import Problem
from kukeon_api.fields import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# containerd: pkg/identifiers for names, pkg/labels for key and value together.
_CONTAINERD_NAME = re.compile(r"[A-Za-z0-9]+(?:[-._][A-Za-z0-9]+)*")
_MAX_LABEL_BYTES = 4096
_LABEL_KEY = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?")


def problems(doc: model.Doc, *, system: bool = False) -> tuple[Problem, ...]:
    """Return everything wrong with `doc`, in the order of its fields.

    `system` is for kukeon itself: only it may change the realm that is reserved for its own cells.
    """
    found = list(_names(doc, ""))
    told = {problem.path for problem in found}
    rules: Iterable[Problem] = ()
    match doc:
        case model.RealmDoc():
            rules = _realm(doc)
        case model.SpaceDoc():
            rules = _space(doc)
        case model.StackDoc():
            rules = _same_name(doc.spec.id, doc.metadata.name)
        case model.CellDoc():
            rules = _cell(doc)
        case model.ContainerDoc():
            rules = _container(doc)
    found += _metadata(doc.metadata)
    if not system:
        found += _reserved(doc)
    found += [problem for problem in rules if problem.path not in told]
    found += unsupported.problems(doc)
    return tuple(found)


def check(doc: model.Doc, *, system: bool = False) -> None:
    """Raise `InvalidManifest` with every problem of `doc`, if there is one."""
    found = problems(doc, system=system)
    if found:
        subject = f'{doc.kind} "{doc.metadata.name}"'
        told = [msgspec.structs.replace(problem, subject=subject) for problem in found]
        # One problem is the message; several are listed beside it, by whoever shows them.
        message = f"invalid {told[0]}" if len(told) == 1 else f"invalid {subject}: {len(told)} problems"
        raise errors.InvalidManifest(message, problems=told)


def _names(value: msgspec.Struct, path: str) -> Iterator[Problem]:
    """Every field that is a name is one: documents built in a program never met a parser."""
    for field in fields_of(type(value)):
        if field.name == "status":
            continue
        here = f"{path}.{field.paper}" if path else field.paper
        content = getattr(value, field.name)
        if field.nested and content is not None:
            if field.shape == "one":
                yield from _names(content, here)
            else:
                for index, item in enumerate(content):
                    yield from _names(item, f"{here}[{index}]")
        elif field.pattern and field.shape == "one" and not field.pattern.match(content):
            yield Problem(path=here, message=name_message(content))


def name_message(text: str) -> str:
    """Return what is wrong with a name."""
    return f"{text[:80]!r} is not a name: {names.NAME_RULE}" if text else "is required"


def _metadata(metadata: model.Metadata) -> Iterator[Problem]:
    yield from _labels("metadata.labels", metadata.labels)
    if metadata.generation < 0:
        yield Problem(
            path="metadata.generation",
            message=f"{metadata.generation} is no generation: they count from 1",
            suggestion="leave it out, or keep what kuke get printed",
        )


def _labels(within: str, labels: dict[str, str]) -> Iterator[Problem]:
    for key, value in labels.items():
        path = f"{within}.{key[:80]}"
        if not _LABEL_KEY.fullmatch(key):
            yield Problem(
                path=path,
                message="a label's key is letters, digits and -_./, beginning and ending with a letter or digit",
            )
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            yield Problem(path=path, message="a label's value must not contain control characters")
        if len((key + value).encode("utf-8", "surrogatepass")) > _MAX_LABEL_BYTES:
            yield Problem(path=path, message=f"key and value have more than {_MAX_LABEL_BYTES} bytes")


def _reserved(doc: model.Doc) -> Iterator[Problem]:
    path, realm = ("metadata.name", doc.metadata.name)
    if not isinstance(doc, model.RealmDoc):
        path, realm = "spec.realmId", doc.spec.realm_id
    if realm == names.SYSTEM_REALM:
        yield Problem(path=path, message=f"realm {realm!r} is reserved for kukeon itself")


def _realm(doc: model.RealmDoc) -> Iterator[Problem]:
    namespace = doc.spec.namespace
    if namespace and (not _CONTAINERD_NAME.fullmatch(namespace) or len(namespace) > names.MAX_CONTAINERD_ID_LENGTH):
        yield Problem(
            path="spec.namespace",
            message=f"{namespace[:80]!r} cannot be a containerd namespace: letters, digits and single -._ between them,"
            f" {names.MAX_CONTAINERD_ID_LENGTH} at most",
        )
    yield from _under("spec", registry_rules.problems(doc.spec.registry_credentials))


def _space(doc: model.SpaceDoc) -> Iterator[Problem]:
    if doc.spec.network is not None and doc.spec.network.egress is not None:
        yield from _under("spec.network.egress", egress.problems(doc.spec.network.egress))
    defaults = doc.spec.defaults
    if defaults is not None and defaults.container is not None:
        yield from _under("spec.defaults.container", container_rules.settings(defaults.container))


def _same_name(own: str, name: str) -> Iterator[Problem]:
    # Ids compose containerd ids, names compose paths; two of one meaning would collide with each other's.
    if own and own != name:
        yield Problem(
            path="spec.id", message=f"{own!r} differs from metadata.name", suggestion=f'leave it out or write "{name}"'
        )


def _cell(doc: model.CellDoc) -> Iterator[Problem]:
    spec = doc.spec
    yield from _same_name(spec.id, doc.metadata.name)
    yield from _roots(spec)
    root = spec.root_container_id
    first: dict[str, str] = {}
    for index, container in enumerate(spec.containers):
        path = f"spec.containers[{index}]"
        if not container.id:
            yield Problem(path=f"{path}.id", message="is required")
        elif container.id in first:
            yield Problem(path=f"{path}.id", message=f"{container.id!r} is already the id of {first[container.id]}")
        first.setdefault(container.id, path)
        is_root = container.root or (bool(root) and container.id == root)
        yield from _id(f"{path}.id", container, is_root, (spec.space_id, spec.stack_id, doc.metadata.name))
        yield from _place(path, container, doc)
        yield from _labels(f"{path}.labels", container.labels)
        yield from _under(path, container_rules.problems(container))
        yield from _under(path, terminal_rules.container(container))
        if spec.nested_cgroup_runtime and container.host_cgroup:
            yield Problem(
                path=f"{path}.hostCgroup",
                message="is not possible with nestedCgroupRuntime, which gives each container cgroups of its own",
            )
    yield from terminal_rules.cell(spec)
    yield from ports.clashes((f"spec.containers[{index}]", each.ports) for index, each in enumerate(spec.containers))


def _roots(spec: model.CellSpec) -> Iterator[Problem]:
    flagged = [index for index, container in enumerate(spec.containers) if container.root]
    for index in flagged[1:]:
        yield Problem(
            path=f"spec.containers[{index}].root", message=f"the cell already has a root: spec.containers[{flagged[0]}]"
        )
    root = spec.root_container_id
    if not root:
        return
    if all(container.id != root for container in spec.containers):
        yield Problem(path="spec.rootContainerId", message=f"{root!r} is not the id of a container of this cell")
    elif flagged and spec.containers[flagged[0]].id != root:
        yield Problem(
            path="spec.rootContainerId", message=f"is {root!r}, but {spec.containers[flagged[0]].id!r} has root: true"
        )


def _id(path: str, container: model.ContainerSpec, is_root: bool, place: tuple[str, str, str]) -> Iterator[Problem]:
    if container.id == names.ROOT and not is_root:
        yield Problem(
            path=path,
            message=f"{names.ROOT!r} is reserved for the root container",
            suggestion="choose another id, or say root: true",
        )
    own = names.ROOT if is_root else container.id
    if own and all(names.is_name(part) for part in (*place, own)):
        try:
            names.containerd_id(*place, own)
        except errors.InvalidName as exc:
            yield Problem(path=path, message=str(exc), suggestion=exc.hint)


def _place(path: str, container: model.ContainerSpec, cell: model.CellDoc) -> Iterator[Problem]:
    """The parents need not be said inside a cell; what is said must be true."""
    for name, own, parent in (
        ("realmId", container.realm_id, cell.spec.realm_id),
        ("spaceId", container.space_id, cell.spec.space_id),
        ("stackId", container.stack_id, cell.spec.stack_id),
        ("cellId", container.cell_id, cell.metadata.name),
    ):
        if own and own != parent:
            yield Problem(
                path=f"{path}.{name}", message=f"{own!r} differs from the cell's own", suggestion="leave it out"
            )


def _container(doc: model.ContainerDoc) -> Iterator[Problem]:
    spec = doc.spec
    for name, own in (
        ("realmId", spec.realm_id),
        ("spaceId", spec.space_id),
        ("stackId", spec.stack_id),
        ("cellId", spec.cell_id),
    ):
        if not own:
            yield Problem(path=f"spec.{name}", message="is required")
    yield from _same_name(spec.id, doc.metadata.name)
    yield from _labels("spec.labels", spec.labels)
    if spec.labels and doc.metadata.labels and spec.labels != doc.metadata.labels:
        yield Problem(path="spec.labels", message="differs from metadata.labels", suggestion="leave it out")
    named = msgspec.structs.replace(spec, id=doc.metadata.name)
    yield from _id("metadata.name", named, spec.root, (spec.space_id, spec.stack_id, spec.cell_id))
    yield from _under("spec", container_rules.problems(spec))
    yield from _under("spec", terminal_rules.container(spec))


def _under(prefix: str, found: Iterable[Problem]) -> Iterator[Problem]:
    return (msgspec.structs.replace(problem, path=f"{prefix}.{problem.path}") for problem in found)
