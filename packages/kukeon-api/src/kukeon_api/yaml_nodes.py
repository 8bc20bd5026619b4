"""YAML text as a tree of nodes that know their lines, within bounds.

Our own composer over the parser's events, because the ready-made ones recurse (deep nesting ends the process), expand
aliases without limit, and stop at the first error.  Nothing is ever constructed from a tag.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 64
"""Our documents are seven levels deep."""

MAX_NODES = 500_000
"""Of one document, each alias counted as what it stands for."""

_CORE = "tag:yaml.org,2002:"
_TEXT_TAG = f"{_CORE}str"
_KNOWN_TAGS = frozenset(f"{_CORE}{name}" for name in ("str", "int", "bool", "float", "null", "seq", "map"))
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

    __slots__ = ("items", "line", "size")

    def __init__(self, line: int) -> None:
        self.items: list[Node] = []
        self.line = line
        self.size = 1


class Mapping:
    """Pairs of nodes as they were written, duplicates included."""

    __slots__ = ("line", "pairs", "size")

    def __init__(self, line: int) -> None:
        self.pairs: list[tuple[Node, Node]] = []
        self.line = line
        self.size = 1


Node = Scalar | Sequence | Mapping


@dataclasses.dataclass(frozen=True)
class Composed:
    """One document: its root, or what is wrong with its YAML."""

    root: Node | None
    line: int
    trouble: Trouble | None = None


def compose(text: str) -> Iterator[Composed]:
    """Yield every document of the stream that is not empty.

    A document that is no YAML is reported, and reading goes on at the next line that begins with `---`.
    """
    offset, start = 0, 0
    while True:
        try:
            yield from _stream(text[start:], offset)
            return
        except Trouble as trouble:
            yield Composed(None, trouble.line, trouble)
            # The parser's line counts from the segment's; find the marker behind it.
            position = _position(text, trouble.line)
            marker = _DOCUMENT.search(text, position)
            if marker is None:
                return
            start = marker.start()
            offset = text.count("\n", 0, start)


def _position(text: str, line: int) -> int:
    """Return where the line after `line` begins."""
    position = 0
    for _ in range(line):
        found = text.find("\n", position)
        if found < 0:
            return len(text)
        position = found + 1
    return position


def _stream(text: str, offset: int) -> Iterator[Composed]:
    """Yield the documents of `text`, whose first line is line `offset` + 1; raises `Trouble`."""
    try:
        parser = _parser(text)
    except yaml.YAMLError as exc:
        raise _trouble(exc, text, offset) from exc
    try:
        while True:
            event = _next(parser, text, offset)
            if isinstance(event, yaml.StreamEndEvent):
                return
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            document = _Document(offset)
            while document.root is None or document.open:
                document.add(_next(parser, text, offset))
            root = document.root
            if not (isinstance(root, Scalar) and root.plain and root.text == ""):
                yield Composed(root, root.line)
    finally:
        parser.dispose()


def _next(parser: Any, text: str, offset: int) -> Any:
    try:
        return parser.get_event()
    except yaml.YAMLError as exc:
        raise _trouble(exc, text, offset) from exc


def _trouble(exc: yaml.YAMLError, text: str, offset: int) -> Trouble:
    if isinstance(exc, yaml.MarkedYAMLError):
        mark = exc.problem_mark or exc.context_mark
        what = " ".join(part for part in (exc.problem, exc.context) if part)
        return Trouble(f"is not YAML: {what}", (mark.line if mark else 0) + 1 + offset)
    position = getattr(exc, "position", 0)
    character = getattr(exc, "character", "")
    shown = f"U+{character:04X}" if isinstance(character, int) else repr(character)
    # libyaml counts in bytes of the encoded text, PyYAML's own reader in characters; look for the character instead.
    found = text.find(chr(character)) if isinstance(character, int) and character else -1
    line = text.count("\n", 0, found if found >= 0 else min(position, len(text))) + 1
    return Trouble(f"is not YAML: the character {shown} is not allowed", line + offset)


class _Document:
    """A document under construction: a stack instead of recursion, so depth costs no C stack."""

    def __init__(self, offset: int) -> None:
        self.root: Node | None = None
        self.offset = offset
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
                self._attach(self._alias(event.anchor, line), line)

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
            raise Trouble(f"is nested more than {MAX_DEPTH} levels deep", node.line)
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
        parent.size += node.size
        if parent.size > MAX_NODES:
            raise Trouble(f"has more than {MAX_NODES} values, counting what aliases stand for", line)
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif self._keys[-1] is None:
            self._keys[-1] = node
        else:
            parent.pairs.append((self._keys[-1], node))
            self._keys[-1] = None
