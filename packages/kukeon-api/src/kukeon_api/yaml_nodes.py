"""YAML text as a tree of nodes that know their lines, within bounds.

Our own composer over the parser's events, because the ready-made ones recurse (deep nesting ends the process), expand
aliases without limit, and stop at the first error.  Nothing is ever constructed from a tag.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_DEPTH = 64
"""Also through aliases.  Our documents are seven levels deep."""

MAX_NODES = 500_000
"""Of one input, each alias counted as what it stands for."""

MAX_TROUBLES = 50
"""After so many documents that are no YAML, the rest is not looked at."""

_CORE = "tag:yaml.org,2002:"
_TEXT_TAG = f"{_CORE}str"
_KNOWN_TAGS = frozenset(f"{_CORE}{name}" for name in ("str", "int", "bool", "float", "null", "seq", "map"))
# What YAML 1.1 calls printable; everything else has no place in a stream, not even in quotes.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DOCUMENT = re.compile(r"^---(?=[ \t\r\n]|$)", re.MULTILINE)

# libyaml where PyYAML was built with it: ten times faster.
_parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Trouble(Exception):
    """What is wrong with the YAML itself, and on which line (from 1)."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Scalar:
    """Text; `plain` when it was written without quotes, so that it may also be a number or a boolean."""

    __slots__ = ("line", "plain", "text")
    size = 1
    depth = 0

    def __init__(self, text: str, plain: bool, line: int) -> None:
        self.text = text
        self.plain = plain
        self.line = line

    @property
    def is_null(self) -> bool:
        """Whether it says nothing: empty, `~` or `null`."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


class Sequence:
    """A list of nodes."""

    __slots__ = ("depth", "items", "line", "size")

    def __init__(self, line: int) -> None:
        self.items: list[Node] = []
        self.line = line
        self.size = 1
        self.depth = 1


class Mapping:
    """Pairs of nodes as they were written, duplicates included."""

    __slots__ = ("depth", "line", "pairs", "size")

    def __init__(self, line: int) -> None:
        self.pairs: list[tuple[Node, Node]] = []
        self.line = line
        self.size = 1
        self.depth = 1


Node = Scalar | Sequence | Mapping


@dataclasses.dataclass(frozen=True)
class Composed:
    """One document: its root, or what is wrong with its YAML; `line` is that of either, `begun` that of its begin."""

    root: Node | None
    line: int
    begun: int
    trouble: Trouble | None = None


def compose(text: str) -> Iterator[Composed]:
    """Yield every document of the stream that is not empty; line breaks in `text` are single newlines.

    A document that is no YAML is reported, and reading goes on at the next line that begins with `---`.
    """
    text = _FORBIDDEN.sub(" ", text)
    start, budget = 0, MAX_NODES
    for _ in range(MAX_TROUBLES):
        reader = _Stream(text[start:], text.count("\n", 0, start), budget)
        try:
            yield from reader.documents()
            return
        except Trouble as trouble:
            yield Composed(None, trouble.line, reader.begun, trouble)
            budget = reader.budget
            marker = _marker_behind(text, trouble.line, reader.begun)
            if marker <= start:
                return
            start = marker


def one_by_one(documents: Iterable[Composed]) -> Iterator[Composed]:
    """Yield the items of a document that is a list as documents of their own: so does `-o json` print several."""
    for each in documents:
        if isinstance(each.root, Sequence):
            for item in each.root.items:
                yield Composed(item, item.line, item.line)
        else:
            yield each


def forbidden(text: str) -> Iterator[Trouble]:
    """Yield the characters of `text` that YAML does not allow; `compose` reads them as spaces."""
    for found in itertools.islice(_FORBIDDEN.finditer(text), MAX_TROUBLES):
        line = text.count("\n", 0, found.start()) + 1
        yield Trouble(f"is not YAML: the character U+{ord(found.group()):04X} is not allowed", line)


def _marker_behind(text: str, line: int, begun: int) -> int:
    """Return where the next document begins: on `line` or later, behind the line `begun`; -1 when there is none."""
    position = 0
    for _ in range(max(line, begun + 1) - 1):
        position = text.find("\n", position) + 1
        if not position:
            return -1
    marker = _DOCUMENT.search(text, position)
    return marker.start() if marker else -1


class _Stream:
    """The documents of `text`, whose first line is line `offset` + 1 of the input."""

    def __init__(self, text: str, offset: int, budget: int) -> None:
        self.text = text
        self.offset = offset
        self.budget = budget
        self.begun = offset + 1

    def documents(self) -> Iterator[Composed]:
        """Yield documents; raises `Trouble` at the first that is no YAML."""
        parser = _parser(self.text)
        try:
            while True:
                event = self._next(parser)
                if isinstance(event, yaml.StreamEndEvent):
                    return
                if not isinstance(event, yaml.DocumentStartEvent):
                    continue
                mark = event.start_mark
                assert mark is not None  # only events that are made up have none
                self.begun = mark.line + 1 + self.offset
                document = _Document(self.offset, self.budget)
                while document.root is None:
                    document.add(self._next(parser))
                root = document.root
                self.budget -= root.size
                if not (isinstance(root, Scalar) and root.plain and root.text == ""):
                    yield Composed(root, root.line, self.begun)
        finally:
            parser.dispose()

    def _next(self, parser: Any) -> Any:
        try:
            return parser.get_event()
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            what = " ".join(part for part in (exc.problem, exc.context) if part)
            line = (mark.line if mark else 0) + 1 + self.offset
            raise Trouble(f"is not YAML: {what}", line) from exc
        except yaml.YAMLError as exc:
            raise Trouble(f"is not YAML: {exc}", self.begun) from exc


class _Document:
    """A document under construction: a stack instead of recursion, so depth costs no C stack."""

    def __init__(self, offset: int, budget: int) -> None:
        self.root: Node | None = None
        self.offset = offset
        self.budget = budget
        self.open: list[tuple[Sequence | Mapping, str | None]] = []
        self._keys: list[Node | None] = []
        self._anchors: dict[str, Node | None] = {}

    def add(self, event: Any) -> None:
        line = event.start_mark.line + 1 + self.offset
        match event:
            case yaml.ScalarEvent():
                plain = event.style in (None, "") and self._tag(event, line) != _TEXT_TAG
                self._leaf(Scalar(event.value, plain, line), event.anchor)
            case yaml.SequenceStartEvent():
                self._tag(event, line)
                self._begin(Sequence(line), event.anchor)
            case yaml.MappingStartEvent():
                self._tag(event, line)
                self._begin(Mapping(line), event.anchor)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._end()
            case yaml.AliasEvent():
                self._attach(self._alias(str(event.anchor), line), line)

    def _tag(self, event: Any, line: int) -> str | None:
        tag: str | None = event.tag
        if tag is not None and tag not in _KNOWN_TAGS and tag != "!":
            shown = tag.replace(_CORE, "!!")
            raise Trouble(f"the tag {shown[:80]!r} is not supported", line)
        return _TEXT_TAG if tag == "!" else tag

    def _alias(self, name: str, line: int) -> Node:
        if name not in self._anchors:
            raise Trouble(f"the alias *{name[:80]} stands for nothing", line)
        node = self._anchors[name]
        if node is None:
            raise Trouble(f"the alias *{name[:80]} is inside what it stands for", line)
        return node

    def _leaf(self, node: Scalar, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        self._attach(node, node.line)

    def _begin(self, node: Sequence | Mapping, anchor: str | None) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise _too_deep(node.line)
        if anchor is not None:
            self._anchors[anchor] = None
        self.open.append((node, anchor))
        self._keys.append(None)

    def _end(self) -> None:
        node, anchor = self.open.pop()
        self._keys.pop()
        if anchor is not None:
            self._anchors[anchor] = node
        self._attach(node, node.line)

    def _attach(self, node: Node, line: int) -> None:
        if not self.open:
            self.root = node
            return
        parent = self.open[-1][0]
        parent.depth = max(parent.depth, node.depth + 1)
        if parent.depth > MAX_DEPTH:
            raise _too_deep(line)
        parent.size += node.size
        if parent.size > self.budget:
            raise Trouble(f"the input has more than {MAX_NODES} values, counting what aliases stand for", line)
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif self._keys[-1] is None:
            self._keys[-1] = node
        else:
            parent.pairs.append((self._keys[-1], node))
            self._keys[-1] = None


def _too_deep(line: int) -> Trouble:
    return Trouble(f"is nested more than {MAX_DEPTH} levels deep", line)
