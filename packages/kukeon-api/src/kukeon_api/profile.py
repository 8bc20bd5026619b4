"""Cells out of profiles: a CellProfile, values for its parameters, and everything that is wrong with either at once.

Values come from flags, from a file of values, from the parameter's default, and from the environment where the
parameter says which variable (`fromEnv`): a variable that happens to have a parameter's name changes nothing.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, labels, manifest, model, names, reading, rules, substitution, suggest, yaml_nodes
from kukeon_api.model.base import API_VERSION
from kukeon_api.yaml_nodes import Mapping, Node, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Mapping as Table

VARIABLE = "KUKEON_CELL_PROFILE_NAME"
"""Tells the programs of a cell which profile it was made from."""

_PARENTS = {"realmId": "realm", "spaceId": "space", "stackId": "stack"}
_KEYS_OF_ITS_OWN = {
    "id": "must be left out: the cell is named when it is made",
    **{key: f"must be left out: say spec.{word}" for key, word in _PARENTS.items()},
}
_IGNORED: dict[type, tuple[str, ...]] = {
    model.CellProfile: ("apiVersion", "kind"),
    model.CellProfileSpec: ("cell",),
    model.ContainerSpec: ("containerdId",),
    model.CellDoc: ("status",),
}
_STAND_IN = "cell"
"""A name for looking at a profile whose own is wrong."""


@dataclasses.dataclass(frozen=True)
class Given:
    """A value for a parameter, and where it was given: the name of a file with the line, or what else people know."""

    name: str
    value: str
    source: str = "--param"
    line: int = 0


def values_in(content: bytes, source: str) -> tuple[list[Given], list[errors.Problem]]:
    """Return the values in a file of `NAME=VALUE` lines, and what is wrong with the others.

    Blank lines and those that begin with `#` say nothing. A value is taken as it stands, without quotes or escapes.
    """
    found, problems = [], []
    for number, raw in enumerate(content.decode("utf-8", "replace").removeprefix("\N{BYTE ORDER MARK}").split("\n"), 1):
        line = raw.removesuffix("\r")
        if not line.strip() or line.startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator or not re.fullmatch(substitution.NAME_PATTERN, name):
            # What stands there may be secret.
            problems.append(errors.Problem(source=source, line=number, message="is not NAME=VALUE"))
        elif "\N{REPLACEMENT CHARACTER}" in value:
            problems.append(errors.Problem(source=source, line=number, path=name, message="is not UTF-8"))
        else:
            found.append(Given(name, value, source, number))
    return found, problems


@dataclasses.dataclass(frozen=True)
class Profile:
    """A CellProfile as it was written; what it makes depends on values."""

    name: str
    source: str
    root: Mapping

    def cell(
        self,
        given: Sequence[Given] = (),
        *,
        name: str = "",
        environ: Table[str, str] = {},
        parents: Table[str, str] = {},
        problems: Iterable[errors.Problem] = (),
    ) -> model.CellDoc:
        """Return the cell that the profile describes with these values; a later value of a parameter wins.

        Without a `name` it is generated. `parents` (realm, space, stack) are for what the profile leaves open, and
        default where they do so too. Raises `ProfileInvalid` with every problem, `problems` among them.
        """
        return _Rendering(self, given, environ).cell(name, parents, problems)


def load(content: bytes | str, source: str) -> Profile:
    """Return the profile that is in a file; raises `ProfileInvalid` when none is, or when it has no name."""
    read = reading.Reading(source, _IGNORED)
    text, spoilt = manifest.decode(content, read)
    documents = list(yaml_nodes.compose(text)) if not spoilt and not read.problems else []
    for document in documents:
        if document.trouble is not None:
            read.add(document.line, "", str(document.trouble))
    for document in documents[1:]:
        read.add(document.begun, "", "a file has one profile only")
    if not documents and not read.problems:
        read.add(1, "", "there is no document in it")
    root = documents[0].root if documents else None
    name = _head(root, read) if root is not None else ""
    if read.problems or not isinstance(root, Mapping):
        raise manifest.invalid_input(read, "profile", errors.ProfileInvalid)
    return Profile(name, source, root)


def _head(root: Node, read: reading.Reading) -> str:
    """Return the name of the profile, after a look at what it says that it is."""
    if not isinstance(root, Mapping):
        read.add(root.line, "", "a document must be a mapping")
        return ""
    envelope = manifest.envelope_of(root, read)
    kind, line = envelope.get("kind", ("", root.line))
    version, version_line = envelope.get("apiVersion", ("", root.line))
    if kind != model.CellProfile.kind:
        read.add(line, "kind", f"is {kind[:80]!r}, not {model.CellProfile.kind}" if kind else "is required")
    if version not in ("", API_VERSION):
        read.add(version_line, "apiVersion", f"unsupported apiVersion {version[:80]!r}, expected {API_VERSION!r}")
    metadata = _child(root, "metadata")
    found = _child(metadata, "name") if metadata is not None else None
    text = found.text if isinstance(found, Scalar) else ""
    if not names.is_name(text):
        read.add(found.line if found is not None else root.line, "metadata.name", rules.name_message(text))
    return text


def _child(node: Node | None, key: str) -> Node | None:
    for name, value in node.pairs if isinstance(node, Mapping) else ():
        if isinstance(name, Scalar) and name.text == key:
            return value
    return None


def _literal(path: str) -> bool:
    """Tell whether references at a path are ordinary text: what a profile is known by, and its declarations."""
    return path in ("apiVersion", "kind", "metadata.name", "spec.parameters")


class _Rendering:
    """A profile on its way to a cell: what is wrong is collected until there is nothing more to look at."""

    def __init__(self, profile: Profile, given: Sequence[Given], environ: Table[str, str]) -> None:
        self.profile = profile
        self.given = {each.name: each for each in given}
        self.environ = environ
        self.read = self._reading()
        # A first look, for the declarations alone: what else is wrong with the file is told by the second.
        self.parameters = self._reading().model(profile.root, model.CellProfile, "").spec.parameters

    def _reading(self) -> reading.Reading:
        read = reading.Reading(self.profile.source, _IGNORED)
        read.begin(None, f'{model.CellProfile.kind} "{self.profile.name}"')
        return read

    def cell(self, name: str, parents: Table[str, str], others: Iterable[errors.Problem]) -> model.CellDoc:
        doc = None
        try:
            self._declarations()
            values = self._values()
            unresolved = self._references(values)
            filled = substitution.fill(self.profile.root, values, _literal)
            known = len(self.read.problems)
            spec = self.read.model(filled, model.CellProfile, "").spec
            doc = self._document(filled, spec, name, parents)
            # A value that is not known is no name and no number either.
            self.read.problems[known:] = [each for each in self.read.problems[known:] if each.line not in unresolved]
        except reading.Enough:
            pass
        self.read.problems = [*others, *self._given_in_vain(), *sorted(self.read.problems, key=lambda each: each.line)]
        if self.read.problems or doc is None:
            raise manifest.invalid_input(self.read, "profile", errors.ProfileInvalid)
        return doc

    def _line(self, path: str) -> int:
        return reading.lines(self.profile.root, path)

    def _declarations(self) -> None:
        first: dict[str, int] = {}
        for index, each in enumerate(self.parameters):
            path = f"spec.parameters[{index}].name"
            if not each.name:
                continue  # which reading tells
            if not re.fullmatch(substitution.NAME_PATTERN, each.name):
                rule = "letters, digits and '_', not beginning with a digit"
                self.read.add(self._line(path), path, f"{each.name[:80]!r} is no name of a parameter: {rule}")
            elif first.setdefault(each.name, index) != index:
                words = f"{each.name!r} is already the name of spec.parameters[{first[each.name]}]"
                self.read.add(self._line(path), path, words)

    def _values(self) -> dict[str, str]:
        """Return the values that are known."""
        values: dict[str, str] = {}
        seen: set[str] = set()
        for index, each in enumerate(self.parameters):
            if not each.name or each.name in seen:
                continue
            seen.add(each.name)
            value = self._value(each)
            if value is not None:
                values[each.name] = value
            elif each.required:
                path = f"spec.parameters[{index}]"
                about = f" ({each.description})" if each.description else ""
                ways = f"pass --param {each.name}=VALUE" + (f" or set ${each.from_env}" if each.from_env else "")
                self.read.add(self._line(path), path, f"the parameter {each.name!r}{about} has no value", ways)
            else:
                values[each.name] = ""
        return values

    def _value(self, parameter: model.ProfileParameter) -> str | None:
        if parameter.name in self.given:
            return self.given[parameter.name].value
        if parameter.default is not None:
            return parameter.default
        return self.environ.get(parameter.from_env) if parameter.from_env else None

    def _given_in_vain(self) -> Iterator[errors.Problem]:
        declared = [each.name for each in self.parameters]
        for each in self.given.values():
            if each.name not in declared:
                message = f"{each.name!r} is no parameter of profile {self.profile.name!r}"
                meant = suggest.did_you_mean(each.name, declared)
                known = f"it has {', '.join(dict.fromkeys(filter(None, declared)))}" if declared else "it has none"
                yield errors.Problem(source=each.source, line=each.line, message=message, suggestion=meant or known)

    def _references(self, values: Table[str, str]) -> set[int]:
        """Note references to what is not declared; return the lines of those that have no value."""
        declared = [each.name for each in self.parameters]
        unresolved = set()
        for path, line, name in substitution.references(self.profile.root, _literal):
            if name not in declared:
                known = suggest.nearest(name, declared)
                meant = suggest.question(f"${{{known}}}" if known else "") or "declare it in spec.parameters"
                self.read.add(line, path, f"${{{name}}} is no parameter of the profile", meant)
            if name not in values:
                unresolved.add(line)
        return unresolved

    def _document(
        self, filled: Node, spec: model.CellProfileSpec, name: str, parents: Table[str, str]
    ) -> model.CellDoc | None:
        cell = _child(_child(filled, "spec"), "cell")
        if cell is None or (isinstance(cell, Scalar) and cell.is_null):
            self.read.add(self._line("spec"), "spec.cell", "is required")
            return None
        if not isinstance(cell, Mapping):
            self.read.add(cell.line, "spec.cell", "must be a mapping")
            return None
        stated = []
        for key, value in cell.pairs:
            word = key.text if isinstance(key, Scalar) else ""
            if word in _KEYS_OF_ITS_OWN:
                self.read.add(key.line, f"spec.cell.{word}", _KEYS_OF_ITS_OWN[word])
            else:
                stated.append((key, value))
        place = {key: getattr(spec, word) or parents.get(word) or "default" for key, word in _PARENTS.items()}
        meta = _mapping(cell.line, name=_word(name or self._generated(spec), cell.line))
        own = _child(_child(filled, "metadata"), "labels")
        if own is not None:
            meta.pairs.append((_word("labels", own.line), own))
        made = _mapping(cell.line, **{key: _word(text, cell.line) for key, text in place.items()})
        made.pairs += stated
        root = _mapping(cell.line, metadata=meta, spec=made)
        read = self._reading()
        doc = read.model(root, model.CellDoc, "")
        read.add_found(rules.problems(doc), root)
        told = {(each.line, each.message) for each in self.read.problems}
        self.read.problems += [
            msgspec.structs.replace(each, path=_on_paper(each.path))
            for each in read.problems
            if (each.line, each.message) not in told
        ]
        return self._marked(doc)

    def _generated(self, spec: model.CellProfileSpec) -> str:
        prefix = spec.prefix or self.profile.name
        if not names.is_name(prefix):
            return _STAND_IN  # which reading tells
        try:
            return names.generated(prefix)
        except errors.InvalidName:
            path = "spec.prefix" if spec.prefix else "metadata.name"
            most = names.MAX_NAME_LENGTH - names.GENERATED_LENGTH
            message = f"{prefix!r} is too long for what names begin with: it may have {most} characters"
            self.read.add(self._line(path), path, message, "say a shorter spec.prefix, or pass --name")
            return _STAND_IN

    def _marked(self, doc: model.CellDoc) -> model.CellDoc:
        """Return the cell with what tells that it was made from this profile."""
        replace = msgspec.structs.replace
        marks = {**doc.metadata.labels, labels.PROFILE: self.profile.name}
        containers = tuple(
            each
            if any(entry.startswith(f"{VARIABLE}=") for entry in each.env)
            else replace(each, env=(f"{VARIABLE}={self.profile.name}", *each.env))
            for each in doc.spec.containers
        )
        return replace(doc, metadata=replace(doc.metadata, labels=marks), spec=replace(doc.spec, containers=containers))


def _word(text: str, line: int) -> Scalar:
    return Scalar(text, False, line)


def _mapping(line: int, **values: Node) -> Mapping:
    made = Mapping(line)
    made.pairs = [(_word(key, line), value) for key, value in values.items()]
    return made


def _on_paper(path: str) -> str:
    """Return where in the profile stands what has a path in the cell."""
    head, _, rest = path.partition(".")
    if head != "spec":
        return path
    return f"spec.{_PARENTS[rest]}" if rest in _PARENTS else f"spec.cell.{rest}"
