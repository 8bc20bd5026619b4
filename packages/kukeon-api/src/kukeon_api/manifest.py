"""YAML documents and models, both ways.

Reading is strict and tells everything at once: each problem of each document with its line and path.  What only the
server sets (the status, containerd ids) is passed over, so that what `get -o yaml` printed can be applied again
unchanged; a generation is kept, for it says what a change is based on.  Input is never trusted: size, depth and alias
expansion are bounded, tags are refused.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import yaml

from kukeon_api import errors, model, plain, reading, rules, settings_rules, suggest, unsupported, yaml_nodes
from kukeon_api.model.base import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_BYTES = 4 * 1024 * 1024
"""Thousands of cells; far below a message of the wire."""

MAX_LISTED = 200
"""Problems that an error carries; whoever has more does not read them."""

_FEW = 3
"""Characters without a place that are told one by one: a binary has thousands of them."""

_ENVELOPE = ("apiVersion", "kind")

_PASSED_OVER: dict[type, tuple[str, ...]] = {
    **dict.fromkeys(model.DOCS.values(), (*_ENVELOPE, "status")),
    model.ContainerSpec: ("containerdId",),
    model.ServerConfiguration: _ENVELOPE,
    model.ClientConfiguration: _ENVELOPE,
}
"""Keys that are read elsewhere (the envelope) or that only the server sets."""

_PROFILES = "keep it in ~/.kuke/profiles.d"

C = TypeVar("C", model.ServerConfiguration, model.ClientConfiguration)

to_builtins = plain.to_builtins


@dataclasses.dataclass(frozen=True)
class Document:
    """One document of a stream: `index` counts from 0 among those that are not empty, `line` from 1.

    A list of documents, as JSON has them, is as many documents.
    """

    doc: model.Doc
    index: int
    line: int
    source: str = ""


def parse(content: bytes | str, source: str = "<stdin>", *, system: bool = False) -> list[Document]:
    """Read all documents; raises `InvalidManifest` with every problem of every document.

    `source` is what messages call the input.  `system` is for kukeon's own documents (`rules.problems`).
    """
    read = reading.Reading(source, _PASSED_OVER)
    found: list[Document] = []
    try:
        text, spoilt = decode(content, read)
        documents = yaml_nodes.one_by_one(yaml_nodes.compose(text))
        for index, (composed, end) in enumerate(_with_end(documents)):
            read.begin(index)
            first = bisect.bisect_left(spoilt, composed.begun)
            if first < len(spoilt) and spoilt[first] < end:
                continue  # what else is wrong with it may well come from that
            if composed.root is None:
                read.add(composed.line, "", str(composed.trouble))
                continue
            doc = _document(composed.root, read, system)
            if doc is not None:
                found.append(Document(doc, index, composed.line, source))
        broken = {problem.document for problem in read.problems}
        read.problems += duplicates(each for each in found if each.index not in broken)
    except reading.Enough:
        pass
    if read.problems:
        raise invalid_input(read, "manifest", _manifest_error(read))
    if not found:
        raise errors.InvalidManifest(f"cannot use {source!r}: no documents found in input")
    return found


def duplicates(documents: Iterable[Document]) -> tuple[errors.Problem, ...]:
    """Return a problem for each document whose resource an earlier one describes already, naming both places.

    `parse` has looked within one input; this is for those who put several together.
    """
    seen: dict[model.Ref, Document] = {}
    found = []
    for document in documents:
        doc = document.doc
        first = seen.setdefault(model.ref_of(doc), document)
        if first is document:
            continue
        where = f"on line {first.line}" if first.source == document.source else f"in {first.source}:{first.line}"
        found.append(
            errors.Problem(
                source=document.source,
                line=document.line,
                document=document.index,
                subject=f'{doc.kind} "{doc.metadata.name}"',
                path="metadata.name",
                message=f"{str(model.ref_of(doc))!r} is there twice; first {where}",
            )
        )
    return tuple(found)


def dump(docs: Iterable[model.Doc] | model.Doc) -> str:
    """Return documents as YAML that `parse` reads; the same content as `to_builtins`."""
    if isinstance(docs, msgspec.Struct):
        docs = [docs]
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return "---\n".join(
        yaml.dump(
            plain.to_builtins(doc),
            Dumper=dumper,
            sort_keys=False,
            default_flow_style=False,
            allow_unicode=True,
            width=1000,
        )
        for doc in docs
    )


def parse_server_configuration(content: bytes | str, source: str = "<stdin>") -> model.ServerConfiguration:
    """Read kukeond's settings; empty input is no settings.  Raises `ServerConfigurationInvalid` with all problems."""
    return _configuration(content, source, model.ServerConfiguration, errors.ServerConfigurationInvalid)


def parse_client_configuration(content: bytes | str, source: str = "<stdin>") -> model.ClientConfiguration:
    """Read kuke's settings; empty input is no settings.  Raises `ClientConfigurationInvalid` with all problems."""
    return _configuration(content, source, model.ClientConfiguration, errors.ClientConfigurationInvalid)


def _configuration(content: bytes | str, source: str, wanted: type[C], invalid: type[errors.KukeonError]) -> C:
    read = reading.Reading(source, _PASSED_OVER)
    result = wanted()
    try:
        text, spoilt = decode(content, read)
        for index, composed in enumerate(yaml_nodes.compose(text) if not spoilt else ()):
            if composed.root is None:
                read.add(composed.line, "", str(composed.trouble))
            elif index:
                read.add(composed.line, "", "a settings file has one document only")
            else:
                # Older files may say another apiVersion; it has never meant anything here.
                kind = envelope_of(composed.root, read).get("kind", ("", 0))[0]
                if kind not in ("", wanted.kind):
                    read.add(composed.line, "kind", f"is {kind[:80]!r}, not {wanted.kind}")
                result = read.model(composed.root, wanted, "")
                read.add_found(settings_rules.problems(result), composed.root)
    except reading.Enough:
        pass
    if read.problems:
        raise invalid_input(read, "settings", invalid)
    return result


def decode(content: bytes | str, read: reading.Reading) -> tuple[str, list[int]]:
    """Return the text with single newlines, and in order the lines on which something stands that is no text."""
    if len(content) > MAX_BYTES:
        read.add(0, "", f"is larger than {MAX_BYTES} bytes")
        return "", []
    text, spoilt = (content, []) if isinstance(content, str) else _utf8(content, read)
    text = text.removeprefix("\N{BYTE ORDER MARK}").replace("\r\n", "\n").replace("\r", "\n")
    for number, trouble in enumerate(yaml_nodes.forbidden(text)):
        spoilt.append(trouble.line)
        if number < _FEW:
            read.add(trouble.line, "", str(trouble))
        elif number == _FEW:
            read.add(trouble.line, "", "and from here on there are more such characters", "is it a text at all?")
    return text, sorted(spoilt)


def _utf8(content: bytes, read: reading.Reading) -> tuple[str, list[int]]:
    try:
        return content.decode(), []
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        read.add(line, "", f"is not UTF-8: {exc.reason}")
        text = content.decode("utf-8", "replace")
        lines = enumerate(text.split("\n"), 1)
        return text, [number for number, each in lines if "\N{REPLACEMENT CHARACTER}" in each]


def _document(root: yaml_nodes.Node, read: reading.Reading, system: bool) -> model.Doc | None:
    """Read one document; None when its kind says nothing about what it should be."""
    if not isinstance(root, yaml_nodes.Mapping):
        read.add(root.line, "", "a document must be a mapping")
        return None
    envelope = envelope_of(root, read)
    version, version_line = envelope.get("apiVersion", ("", root.line))
    kind, kind_line = envelope.get("kind", ("", root.line))
    read.subject = _subject(root, kind)
    if version not in ("", API_VERSION):
        read.add(version_line, "apiVersion", f"unsupported apiVersion {version[:80]!r}, expected {API_VERSION!r}")
    wanted = model.DOCS.get(kind)
    if wanted is None:
        if not any(problem.path == "kind" for problem in read.own):
            _unknown_kind(kind, kind_line, read)
        return None
    doc = read.model(root, wanted, "")
    read.add_found(rules.problems(doc, system=system), root)
    return doc


def envelope_of(root: yaml_nodes.Node, read: reading.Reading) -> dict[str, tuple[str, int]]:
    """Return apiVersion and kind, with their lines; duplicates and such are reported by whoever reads the rest."""
    found: dict[str, tuple[str, int]] = {}
    for key, value in root.pairs if isinstance(root, yaml_nodes.Mapping) else ():
        if not isinstance(key, yaml_nodes.Scalar) or key.text not in _ENVELOPE or key.text in found:
            continue
        if isinstance(value, yaml_nodes.Scalar):
            found[key.text] = ("" if value.is_null else value.text, key.line)
        else:
            read.add(key.line, key.text, "must be text")
    return found


def _subject(root: yaml_nodes.Mapping, kind: str) -> str:
    """Return `Cell "web"`, as far as it is known."""
    name = ""
    for key, value in root.pairs:
        if isinstance(key, yaml_nodes.Scalar) and key.text == "metadata" and isinstance(value, yaml_nodes.Mapping):
            for inner, content in value.pairs:
                if isinstance(inner, yaml_nodes.Scalar) and inner.text == "name":
                    name = content.text if isinstance(content, yaml_nodes.Scalar) else ""
    return f'{kind[:80]} "{name[:80]}"'.strip() if name else kind[:80]


def _unknown_kind(kind: str, line: int, read: reading.Reading) -> None:
    if not kind:
        read.add(line, "kind", "is required", f"one of {', '.join(model.DOCS)}")
    elif kind == model.CellProfile.kind:
        read.add(line, "kind", "a CellProfile is a template, from which `kuke run -p NAME` makes cells", _PROFILES)
    elif kind in unsupported.KINDS:
        read.add(line, "kind", f"kind {kind} {unsupported.MESSAGE}")
    else:
        read.add(line, "kind", f"unknown kind {kind[:80]!r}", suggest.did_you_mean(kind, model.DOCS))


def _with_end(documents: Iterable[yaml_nodes.Composed]) -> Iterator[tuple[yaml_nodes.Composed, float]]:
    """Yield each document with the line on which the next one begins."""
    previous: yaml_nodes.Composed | None = None
    for each in documents:
        if previous is not None:
            # Documents of a list may share a line; whatever is on it belongs to all of them.
            yield previous, max(each.begun, previous.begun + 1)
        previous = each
    if previous is not None:
        yield previous, math.inf


def _manifest_error(read: reading.Reading) -> type[errors.KukeonError]:
    """Return the error for a manifest whose problems are all of one sort, else that for any manifest."""
    paths = {problem.path for problem in read.problems}
    return {"kind": errors.UnknownKind, "apiVersion": errors.UnsupportedAPIVersion}.get(
        next(iter(paths)) if len(paths) == 1 else "", errors.InvalidManifest
    )


def invalid_input(read: reading.Reading, what: str, cls: type[errors.KukeonError]) -> errors.KukeonError:
    """Return the error that lists what was found wrong with an input that is `what`."""
    count = len(read.problems)
    many = "1 problem" if count == 1 else f"{count} problems"
    if count >= reading.MAX_PROBLEMS:
        many = f"at least {many}"
    if count > MAX_LISTED:
        many += f", of which these are the first {MAX_LISTED}"
    return cls(f"invalid {what} {read.source!r}: {many}", problems=read.problems[:MAX_LISTED])
