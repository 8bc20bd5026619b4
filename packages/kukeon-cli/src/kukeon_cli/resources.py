"""Where things are, and how to ask kukeond for them: one small table of kinds instead of five of everything."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from kukeon_api import errors, model, names, scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kukeon_api.model import Kind, Ref
    from kukeon_sdk.client import Client

LEVELS = ("realm", "space", "stack", "cell", "container")
_DEFAULTS = {"realm": names.DEFAULT_REALM, "space": names.DEFAULT_SPACE, "stack": names.DEFAULT_STACK}

scope_flags = scope.flags


@dataclass(frozen=True)
class Scope:
    """The scope flags of a command line; None is unset."""

    realm: str | None = None
    space: str | None = None
    stack: str | None = None
    cell: str | None = None

    def at(self, kind: Kind, name: str) -> Ref:
        """Return where `name` is, `default` standing for what is unset; a container's cell must be given.

        Raises `Invalid` for what is no name, saying which flag it came by.
        """
        parts = []
        for level in LEVELS[: LEVELS.index(kind.lower())]:
            given = getattr(self, level)
            part = _DEFAULTS.get(level, "") if given is None else given.strip()
            parts.append(_checked(part, level, f"--{level}"))
        # As `-o name` prints it, so that one command's output is another one's arguments.
        own = name.strip().removeprefix(f"{kind.lower()}/")
        return model.Ref(*(*parts, _checked(own, kind.lower(), "")))

    def parents(self) -> dict[str, str]:
        """Return the names that stand in for the parents that a cell's document leaves out, by their keys."""
        place = self.at("Cell", names.DEFAULT_STACK)
        return {"realmId": place.realm, "spaceId": place.space, "stackId": place.stack}

    def filters(self, *levels: str) -> tuple[str, ...]:
        """Return what `list_*` takes for these levels: the name given, or empty for all."""
        return tuple(
            "" if getattr(self, level) is None else _checked(getattr(self, level).strip(), level, f"--{level}")
            for level in levels
        )


def _checked(name: str, level: str, flag: str) -> str:
    try:
        return names.check_name(name, level)
    except errors.Invalid as exc:
        if not flag:
            raise
        raise type(exc)(f"{exc.message} ({flag})", kind=exc.kind, hint=exc.hint) from exc


def name_of(doc: model.Doc) -> str:
    """Return `cell/web`."""
    return f"{doc.kind.lower()}/{doc.metadata.name}"


def described(ref: Ref, verb: str = "in") -> str:
    """Return `cell "web" in stack "default"`, with as much of the scope as tells it apart."""
    parts = [f'{ref.kind.lower()} "{ref.name}"']
    parent = ref.parent
    if parent is not None:
        parts.append(f'{verb} {parent.kind.lower()} "{parent.name}"')
    return " ".join(parts)


def document(ref: Ref) -> model.Doc:
    """Return the document that says no more than where `ref` is: what get, start, delete, ... take."""
    metadata = model.Metadata(name=ref.name)
    match ref.kind:
        case "Realm":
            return model.RealmDoc(metadata=metadata)
        case "Space":
            return model.SpaceDoc(metadata=metadata, spec=model.SpaceSpec(realm_id=ref.realm))
        case "Stack":
            return model.StackDoc(metadata=metadata, spec=model.StackSpec(realm_id=ref.realm, space_id=ref.space))
        case "Cell":
            return cell_document(ref)
        case "Container":
            return container_document(ref)
        case unreachable:
            assert_never(unreachable)


def cell_document(ref: Ref) -> model.CellDoc:
    """Return the document that says where the cell `ref` is."""
    spec = model.CellSpec(realm_id=ref.realm, space_id=ref.space, stack_id=ref.stack)
    return model.CellDoc(metadata=model.Metadata(name=ref.name), spec=spec)


def ignoring_disk_pressure(doc: model.CellDoc) -> model.CellDoc:
    """Return `doc` for a request that a disk which is nearly full does not keep from being carried out."""
    import msgspec

    return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, ignore_disk_pressure=True))


def container_document(ref: Ref) -> model.ContainerDoc:
    """Return the document that says where the container `ref` is."""
    spec = model.ContainerSpec(
        id=ref.container, realm_id=ref.realm, space_id=ref.space, stack_id=ref.stack, cell_id=ref.cell
    )
    return model.ContainerDoc(metadata=model.Metadata(name=ref.name), spec=spec)


def find(client: Client, ref: Ref) -> model.Doc | None:
    """Return the realm, space, stack or cell `ref`, None when it is not there."""
    match document(ref):
        case model.RealmDoc() as realm:
            got_realm = client.get_realm(realm)
            return got_realm.realm if got_realm.metadata_exists else None
        case model.SpaceDoc() as space:
            got_space = client.get_space(space)
            return got_space.space if got_space.metadata_exists else None
        case model.StackDoc() as stack:
            got_stack = client.get_stack(stack)
            return got_stack.stack if got_stack.metadata_exists else None
        case model.CellDoc() as cell:
            got_cell = client.get_cell(cell)
            return got_cell.cell if got_cell.metadata_exists else None
        case model.ContainerDoc():
            raise ValueError("a container is found in its cell")
        case unreachable:
            assert_never(unreachable)


def get(client: Client, ref: Ref) -> model.Doc:
    """Return the realm, space, stack or cell `ref`, or raise the `NotFound` of its kind with a hint."""
    found = find(client, ref)
    if found is None:
        raise missing(client, ref)
    return found


def get_cell(client: Client, ref: Ref) -> model.CellDoc:
    """Return the cell `ref`, or raise `CellNotFound` with a hint."""
    found = get(client, ref)
    assert isinstance(found, model.CellDoc)
    return found


def listed(client: Client, kind: Kind, scope: Scope = Scope()) -> Sequence[model.Doc]:
    """Return all realms, spaces, stacks or cells in the scope, sorted by place."""
    docs: Sequence[model.Doc]
    match kind:
        case "Realm":
            docs = client.list_realms()
        case "Space":
            docs = client.list_spaces(*scope.filters("realm"))
        case "Stack":
            docs = client.list_stacks(*scope.filters("realm", "space"))
        case "Cell":
            docs = client.list_cells(*scope.filters("realm", "space", "stack"))
        case "Container":
            raise ValueError("containers are listed as rows")
        case unreachable:
            assert_never(unreachable)
    return sorted(docs, key=place)


def missing(client: Client, ref: Ref) -> errors.NotFound:
    """Return the error that says that `ref` is not there, with the hint that helps most."""
    from kukeon_cli import hints

    cls = errors.KINDS[f"{ref.kind}NotFound"]
    assert issubclass(cls, errors.NotFound)
    return cls(f"cannot find {ref.kind.lower()} {str(ref)!r}", hint=hints.for_missing(client, ref))


def with_hint(client: Client, ref: Ref, exc: errors.NotFound) -> errors.NotFound:
    """Return `exc`, which came from asking for `ref`, in the words that are always used, with a hint."""
    if exc.kind == f"{ref.kind}NotFound":
        return missing(client, ref)
    if exc.hint:
        return exc
    from kukeon_cli import hints

    # It may say already which of the parents is missing; the hint goes on from there.
    named = next((parent for parent in ref.ancestors if exc.kind == f"{parent.kind}NotFound"), ref)
    return type(exc)(exc.message, kind=exc.kind, hint=hints.for_missing(client, named))


@dataclass(frozen=True)
class ContainerRow:
    """A container with the cell it is in."""

    doc: model.ContainerDoc
    cell: model.CellDoc

    @property
    def status(self) -> model.ContainerStatus:
        if self.doc.status is not None:
            return self.doc.status
        # A cell that never came so far has nothing to say about its containers.
        never = self.cell.status.state in (model.CellState.FAILED, model.CellState.PENDING)
        state = model.ContainerState.NOT_CREATED if never else model.ContainerState.UNKNOWN
        return model.ContainerStatus(name=self.doc.metadata.name, state=state)


def row(client: Client, ref: Ref) -> Any:
    """Return what a table shows of one resource: its document, of a container with its cell. Raises `NotFound`."""
    if ref.kind != "Container":
        return get(client, ref)
    assert ref.parent is not None
    found = containers(get_cell(client, ref.parent))
    for each in found:
        if each.doc.metadata.name == ref.name:
            return each
    raise missing(client, ref)


def of_row(row: Any) -> Any:
    """Return the document of what a table shows: the document itself, of a container with its cell that alone."""
    return row.doc if isinstance(row, ContainerRow) else row


def container_rows(client: Client, scope: Scope) -> list[ContainerRow]:
    """Return the containers of all cells in the scope, sorted by place."""
    (wanted,) = scope.filters("cell")
    cells = client.list_cells(*scope.filters("realm", "space", "stack"))
    rows = [row for cell in cells if wanted in ("", cell.metadata.name) for row in containers(cell)]
    return sorted(rows, key=lambda row: place(row.doc))


def containers(cell: model.CellDoc) -> list[ContainerRow]:
    """Return the containers of `cell` as documents: those of its spec, then any other one that has a status.

    All is in the cell's own document, so a list of containers costs one call.
    """
    states = {status.name: status for status in cell.status.containers}
    place = model.ref_of(cell)
    rows = []
    for spec in cell.spec.containers:
        whole = _placed(spec, place)
        status = states.pop(spec.id, None)
        # A container's labels stand in its document's metadata.
        metadata = model.Metadata(name=spec.id, labels=spec.labels)
        whole = msgspec.structs.replace(whole, labels={})
        doc = model.ContainerDoc(metadata=metadata, spec=whole, status=status)
        rows.append(ContainerRow(doc, cell))
    for name, other in states.items():
        bare = container_document(place.child(name))
        rows.append(ContainerRow(model.ContainerDoc(metadata=bare.metadata, spec=bare.spec, status=other), cell))
    return rows


def _placed(spec: model.ContainerSpec, cell: Ref) -> model.ContainerSpec:
    return msgspec.structs.replace(
        spec, realm_id=cell.realm, space_id=cell.space, stack_id=cell.stack, cell_id=cell.cell
    )


@dataclass(frozen=True)
class RealmImage:
    """An image and the realm it is loaded into."""

    realm: str
    image: model.ImageInfo

    def fields(self) -> dict[str, object]:
        """Return what programs get: the image's own fields and its realm."""
        from kukeon_cli import output

        return {"realm": self.realm, **output.data(self.image)}


def realm_of(realm: str | None) -> str:
    """Return the realm that a `--realm` flag means, `default` when unset; raises `Invalid` for what is no name."""
    return Scope(realm=realm).at("Space", names.DEFAULT_SPACE).realm


@contextmanager
def looking_in(client: Client, realm: str, ref: str = "", *, wanted: bool = True) -> Iterator[None]:
    """Have a `RealmNotFound` or `ImageNotFound` of the block, which is about images of a realm, come with a hint.

    Not `wanted`: the image was to go, so nobody wants to load it.
    """
    try:
        yield
    except errors.RealmNotFound as exc:
        raise with_hint(client, model.Ref(realm), exc) from exc
    except errors.ImageNotFound as exc:
        raise without_image(client, realm, ref, exc, wanted=wanted) from exc


@contextmanager
def looking_in_realm(client: Client, realm: str) -> Iterator[None]:
    """Have a `RealmNotFound` of the block come with a hint."""
    try:
        yield
    except errors.RealmNotFound as exc:
        raise with_hint(client, model.Ref(realm), exc) from exc


def images(client: Client, realm: str) -> list[RealmImage]:
    """Return the images of a realm, or raise `RealmNotFound` with a hint."""
    with looking_in(client, realm):
        return [RealmImage(realm, found) for found in client.list_images(realm).images]


def get_image(client: Client, realm: str, ref: str) -> model.ImageInfo:
    """Return the image `ref` of a realm, or raise `ImageNotFound` or `RealmNotFound` with a hint."""
    with looking_in(client, realm, ref):
        return client.get_image(realm, ref).image


def without_image(
    client: Client, realm: str, ref: str, exc: errors.KukeonError, *, wanted: bool = True
) -> errors.KukeonError:
    """Return `exc`, which says that `ref` is not in the realm, in the words that are always used, with a hint."""
    from kukeon_api import image_ref
    from kukeon_cli import hints

    # What containerd calls the realm is no name that anybody asked by.
    message = f"cannot find image {image_ref.normalise(ref)!r} in realm {realm!r}"
    return type(exc)(message, kind=exc.kind, hint=hints.for_missing_image(client, realm, ref, wanted=wanted))


def place(doc: model.Doc) -> tuple[str, ...]:
    """Return what documents are sorted by."""
    return model.ref_of(doc).parts
