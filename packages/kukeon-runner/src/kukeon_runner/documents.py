"""Documents as they stand on disk: JSON that people can read and that says what it is."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import msgspec

from kukeon_api import errors, model

StoredDoc: TypeAlias = model.RealmDoc | model.SpaceDoc | model.StackDoc | model.CellDoc
"""The kinds with a file of their own; a container is part of its cell's document."""

D = TypeVar("D", bound=StoredDoc)

KINDS: tuple[model.Kind, ...] = ("Realm", "Space", "Stack", "Cell")
"""By depth: what stands one directory down, two down, and so on."""


class _Head(msgspec.Struct, rename="camel"):
    """What has to be right before the rest of a document can be understood."""

    api_version: str = model.API_VERSION
    kind: str = ""


_head = msgspec.json.Decoder(_Head)


def _file_type(kind: str) -> Any:
    # The documents' own kind and version are class attributes, which msgspec doesn't write.
    fields = msgspec.structs.fields(model.DOCS[kind])
    body = [(field.name, field.type, *_default(field)) for field in fields]
    head: list[Any] = [("api_version", str, model.API_VERSION), ("kind", str, kind)]
    return msgspec.defstruct(
        f"{kind}File", [*head, *body], kw_only=True, frozen=True, forbid_unknown_fields=True, rename="camel"
    )


def _default(field: msgspec.structs.FieldInfo) -> tuple[Any, ...]:
    return () if field.default is msgspec.NODEFAULT else (field.default,)


_FILES: dict[str, Any] = {kind: _file_type(kind) for kind in KINDS}
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {kind: msgspec.json.Decoder(_FILES[kind]) for kind in KINDS}
_encoder = msgspec.json.Encoder()


def encode(doc: StoredDoc) -> bytes:
    """Return `doc` as indented JSON with its apiVersion and kind, ending in a newline."""
    file = _FILES[doc.kind](metadata=doc.metadata, spec=doc.spec, status=doc.status)
    return msgspec.json.format(_encoder.encode(file), indent=2) + b"\n"


def decode(ref: model.Ref, content: bytes, path: str) -> StoredDoc:
    """Return the document of `ref` that `content` is; CorruptMetadata naming `path` when it is not one.

    A missing apiVersion means v1beta1. A document that says it is somebody else's is as wrong as a torn one.
    """
    try:
        head = _head.decode(content)
        if head.api_version != model.API_VERSION:
            raise msgspec.ValidationError(f"apiVersion {head.api_version!r} is unknown to this version")
        if head.kind and head.kind != ref.kind:
            raise msgspec.ValidationError(f"it is a {head.kind} where a {ref.kind} belongs")
        file = _DECODERS[ref.kind].decode(content)
        doc = model.DOCS[ref.kind](metadata=file.metadata, spec=file.spec, status=file.status)
        if model.ref_of(doc) != ref:
            raise msgspec.ValidationError(f"it describes {str(model.ref_of(doc))!r}")
    except (msgspec.DecodeError, errors.Invalid, UnicodeDecodeError) as exc:
        raise errors.CorruptMetadata(
            f"cannot read {path!r}: {exc or 'it is empty'}",
            hint="nothing of ours overwrites it: repair the file, or delete the resource and apply it again",
        ) from exc
    assert not isinstance(doc, model.ContainerDoc)
    return doc


def bare(ref: model.Ref) -> StoredDoc:
    """A document that says no more than where the resource is: what can be said of one whose own is lost."""
    metadata = model.Metadata(name=ref.name)
    match ref.kind:
        case "Realm":
            return model.RealmDoc(metadata=metadata)
        case "Space":
            return model.SpaceDoc(metadata=metadata, spec=model.SpaceSpec(realm_id=ref.realm))
        case "Stack":
            spec = model.StackSpec(realm_id=ref.realm, space_id=ref.space)
            return model.StackDoc(metadata=metadata, spec=spec)
        case "Cell":
            place = model.CellSpec(realm_id=ref.realm, space_id=ref.space, stack_id=ref.stack)
            return model.CellDoc(metadata=metadata, spec=place)
        case _:
            raise ValueError(f"no document is stored for {str(ref)!r}: it is a {ref.kind}")
