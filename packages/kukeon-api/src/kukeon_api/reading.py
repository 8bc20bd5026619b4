"""Turn nodes into models by walking the model's fields, noting every problem on the way.

Where something is wrong a default takes its place, so that the walk goes on; whoever reads must look at the problems
before using the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from kukeon_api import rules, scalars, suggest, unsupported
from kukeon_api.errors import Problem
from kukeon_api.fields import Field, fields_of, fields_on_paper
from kukeon_api.yaml_nodes import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from collections.abc import Mapping as Table

M = TypeVar("M", bound=msgspec.Struct)

MAX_PROBLEMS = 10_000
"""Of one input; looking for more says nothing new."""


class Enough(Exception):
    """There are MAX_PROBLEMS problems."""


class Reading:
    """The problems met so far, with where they are.

    `ignored` lists, per model, keys that are passed over together with what they hold.
    """

    def __init__(self, source: str, ignored: Table[type, Collection[str]]) -> None:
        self.source = source
        self.ignored = ignored
        self.problems: list[Problem] = []
        self.document: int | None = None
        self.subject = ""
        self.first = 0
        self.meant: set[str] = set()

    def begin(self, document: int | None, subject: str = "") -> None:
        """Go on with another document."""
        self.document = document
        self.subject = subject
        self.first = len(self.problems)
        self.meant = set()

    def end(self) -> None:
        """Put the problems of the present document in the order of its lines."""
        self.problems[self.first :] = sorted(self.own, key=lambda problem: problem.line)

    @property
    def own(self) -> list[Problem]:
        """The problems of the present document."""
        return self.problems[self.first :]

    @property
    def told(self) -> set[str]:
        """The paths of the present document where something is known to be wrong: more about them is noise.

        A misspelt field counts for the one that was meant, a wrong kind for everything that depends on it.
        """
        return {problem.path.removesuffix(".kind") for problem in self.own} | self.meant

    def add(self, line: int, path: str, message: str, suggestion: str = "") -> None:
        """Note a problem; raises `Enough`."""
        self.problems.append(
            Problem(
                source=self.source,
                line=line,
                document=self.document,
                subject=self.subject,
                path=path,
                message=message,
                suggestion=suggestion,
            )
        )
        if len(self.problems) >= MAX_PROBLEMS:
            raise Enough

    def add_found(self, found: Iterable[Problem], root: Node) -> None:
        """Note what rules found in what was read from `root`, except where something is known to be wrong already."""
        told = Paths(self.told)
        for problem in found:
            if not told.overlap(problem.path):
                self.add(lines(root, problem.path), problem.path, problem.message, problem.suggestion)
        self.end()

    def model(self, node: Node, wanted: type[M], path: str) -> M:
        """Read a model from a mapping."""
        if not isinstance(node, Mapping) and not (isinstance(node, Scalar) and node.is_null):
            self.add(node.line, path, f"must be a mapping, not {_describe(node)}")
            return _placeholder_of(wanted)
        fields = fields_on_paper(wanted)
        ignored = self.ignored.get(wanted, ())
        values: dict[str, Any] = {}
        for key, key_line, value in self.pairs(node, path, wanted.__name__):
            if key in ignored:
                continue
            here = f"{path}.{key}" if path else key
            field = fields.get(key)
            if field is None:
                self._unknown(key_line, path, key, fields)
            elif field.stated and isinstance(value, Scalar) and value.is_null:
                continue
            else:
                values[field.name] = self._field(value, field, here)
        for field in fields.values():
            if (field.required or field.stated) and field.name not in values:
                here = f"{path}.{field.paper}" if path else field.paper
                if field.paper not in ignored and here not in self.meant:
                    self._missing(field, here, node.line)
                values[field.name] = _placeholder(field)
        return wanted(**values)

    def pairs(self, node: Node, path: str, what: str) -> list[tuple[str, int, Node]]:
        """Return the key, its line and the value of every entry; merges (`<<`) resolved, first of duplicates kept."""
        if not isinstance(node, Mapping):
            if not (isinstance(node, Scalar) and node.is_null):
                self.add(node.line, path, f"must be a mapping, not {_describe(node)}")
            return []
        found: dict[str, tuple[int, Node]] = {}
        merged: list[Node] = []
        for key, value in node.pairs:
            if not isinstance(key, Scalar):
                self.add(key.line, path, f"a key must be text, not {_describe(key)}")
            elif key.plain and key.text == "<<":
                merged += value.items if isinstance(value, Sequence) else [value]
            elif key.text in found:
                here = f"{path}.{key.text[:80]}" if path else key.text[:80]
                self.add(key.line, here, f"is there twice; first on line {found[key.text][0]}")
            else:
                found[key.text] = (key.line, value)
        for each in merged:
            for name, line, value in self.pairs(each, path, what):
                found.setdefault(name, (line, value))
        return [(name, line, value) for name, (line, value) in found.items()]

    def _unknown(self, line: int, path: str, key: str, fields: Collection[str]) -> None:
        here = f"{path}.{key[:80]}" if path else key[:80]
        if key in unsupported.LATER:
            self.add(line, here, unsupported.MESSAGE)
            return
        near = suggest.nearest(key, fields)
        if near:
            self.meant.add(f"{path}.{near}" if path else near)
        self.add(line, here, "unknown field", suggest.question(near))

    def _missing(self, field: Field, path: str, line: int) -> None:
        if field.nested and field.shape == "one":
            # What it has to contain says more than that it has to be there.
            self.model(Scalar("", True, line), field.item, path)
        else:
            self.add(line, path, "is required")

    def _field(self, node: Node, field: Field, path: str) -> Any:
        if isinstance(node, Scalar) and node.is_null:
            if field.required:
                self._missing(field, path, node.line)
            return _placeholder(field)
        if field.shape == "list":
            return self._list(node, field, path)
        if field.shape == "map":
            entries = self.pairs(node, path, field.paper)
            return {key: self._text(value, f"{path}.{key[:80]}") for key, _, value in entries}
        return self._one(node, field, path)

    def _list(self, node: Node, field: Field, path: str) -> tuple[Any, ...]:
        if not isinstance(node, Sequence):
            example = f"write [{node.text[:40]}]" if isinstance(node, Scalar) else "begin each item with '- '"
            self.add(node.line, path, f"must be a list, not {_describe(node)}", example)
            return ()
        items = []
        for index, item in enumerate(node.items):
            here = f"{path}[{index}]"
            if isinstance(item, Scalar) and item.is_null:
                self.add(item.line, here, "must not be empty")
                continue
            items.append(self._one(item, field, here))
        return tuple(items)

    def _one(self, node: Node, field: Field, path: str) -> Any:
        if field.nested:
            return self.model(node, field.item, path)
        if not isinstance(node, Scalar):
            self.add(node.line, path, f"must be {_NOUNS.get(field.item, 'a word')}, not {_describe(node)}")
            return _item_placeholder(field)
        if field.choice and node.text == "" and not field.required:
            return field.default
        try:
            value = scalars.read(node.text, node.plain, field.item)
        except scalars.Unreadable as exc:
            self.add(node.line, path, exc.message, exc.suggestion)
            return _item_placeholder(field)
        if field.pattern and not field.pattern.match(value):
            self.add(node.line, path, rules.name_message(value))
        return value

    def _text(self, node: Node, path: str) -> str:
        if isinstance(node, Scalar):
            return "" if node.is_null else node.text
        self.add(node.line, path, f"must be text, not {_describe(node)}")
        return ""


_NOUNS = {str: "text", int: "a whole number", bool: "true or false"}


def _describe(node: Node) -> str:
    match node:
        case Sequence():
            return "a list"
        case Mapping():
            return "a mapping"
        case Scalar(is_null=True):
            return "nothing"
        case _:
            return f"{node.text[:40]!r}"


def _placeholder(field: Field) -> Any:
    """What stands where nothing usable was written."""
    if not field.required:
        return field.default
    if field.nested and field.shape == "one":
        return _placeholder_of(field.item)
    return {"list": (), "map": {}}.get(field.shape, field.item() if field.item in _NOUNS else None)


def _item_placeholder(field: Field) -> Any:
    """What stands for one item of a list, or for the whole field where it is none."""
    return field.item() if field.shape == "list" and field.item in _NOUNS else _placeholder(field)


def _placeholder_of(wanted: type[M]) -> M:
    return wanted(**{field.name: _placeholder(field) for field in fields_of(wanted)})


class Paths:
    """Paths of a document, asked for those that lie on one line with another path: itself, above or below it."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._own = set(paths)
        self._above = {above for path in self._own for above in _upwards(path)}

    def overlap(self, path: str) -> bool:
        """Tell whether `path` is one of them, contains one or is in one."""
        return path in self._above or not self._own.isdisjoint(_upwards(path))


def _upwards(path: str) -> Iterator[str]:
    """Yield `path` and all that it is in: `a[0].b`, `a[0]`, `a`."""
    yield path
    for position in range(len(path) - 1, 0, -1):
        if path[position] in ".[":
            yield path[:position]


def lines(root: Node, path: str) -> int:
    """Return the line of what `path` (`spec.containers[0].image`) leads to, or of the nearest thing around it."""
    node, line = root, root.line
    for step in _steps(path):
        found = _child(node, step)
        if found is None:
            return line
        line, node = found
    return line


def _steps(path: str) -> Iterator[str | int]:
    for part in path.split("."):
        name, *indexes = part.replace("]", "").split("[")
        yield name
        yield from (int(index) for index in indexes if index.isdecimal())


def _child(node: Node, step: str | int) -> tuple[int, Node] | None:
    if isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
        return node.items[step].line, node.items[step]
    if isinstance(node, Mapping):
        for key, value in node.pairs:
            if isinstance(key, Scalar) and key.text == step:
                return key.line, value
    return None
