"""Values in place of `${NAME}`, in the values of a YAML document and never in its keys.

One pass: what a value contains is not looked at again. `$NAME` and `${BAD-NAME}` are ordinary text, and there is no
way to escape `${NAME}`, because it has no other meaning anywhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kukeon_api.yaml_nodes import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Mapping as Table

NAME_PATTERN = "[A-Za-z_][A-Za-z0-9_]*"
REFERENCE = re.compile(rf"\$\{{({NAME_PATTERN})\}}")


class Filled(Scalar):
    """Text with values in it: a number or a boolean as well as text, whatever quotes it had; nothing when empty."""

    __slots__ = ()

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text, True, line)

    @property
    def is_null(self) -> bool:
        """Whether it says nothing; unlike `null` in a file, `null` as a value is text."""
        return self.text == ""


def references(node: Node, skip: Callable[[str], bool]) -> Iterator[tuple[str, int, str]]:
    """Yield path, line and name of each reference, in the order of the document; `skip` tells paths to pass over.

    What an alias stands for is told once, where its anchor is.
    """
    seen: set[int] = set()
    stack: list[tuple[str, Node]] = [("", node)]
    while stack:
        path, node = stack.pop()
        if id(node) in seen or skip(path):
            continue
        seen.add(id(node))
        if isinstance(node, Scalar):
            yield from ((path, node.line, name) for name in dict.fromkeys(REFERENCE.findall(node.text)))
        else:
            stack += reversed([(inner, child) for inner, child in _children(node, path)])


def fill(node: Node, values: Table[str, str], skip: Callable[[str], bool], path: str = "") -> Node:
    """Return the document with values in place of the references that there are values for.

    Aliases stay shared, so the result is no larger than the source. Documents are at most `yaml_nodes.MAX_DEPTH` deep.
    """
    return _fill(node, values, skip, path, {})


def _fill(
    node: Node, values: Table[str, str], skip: Callable[[str], bool], path: str, done: dict[int, tuple[Node, Node]]
) -> Node:
    if skip(path):
        return node
    if id(node) in done:
        return done[id(node)][1]
    made: Node
    match node:
        case Scalar():
            made = _text(node, values)
        case Sequence():
            made = Sequence(node.line)
            items = [_fill(child, values, skip, inner, done) for inner, child in _children(node, path)]
            made.items = [_item(each) for each in items]
        case Mapping():
            made = Mapping(node.line)
            inner_nodes = [_fill(child, values, skip, inner, done) for inner, child in _children(node, path)]
            made.pairs = [(key, value) for (key, _), value in zip(node.pairs, inner_nodes, strict=True)]
    # The source is kept with it: an id is only its own as long as it lives.
    done[id(node)] = (node, made)
    return made


def _item(node: Node) -> Node:
    """Return an item of a list, where empty text is text: leaving it out would move all that follow."""
    return Scalar("", False, node.line) if isinstance(node, Filled) and node.is_null else node


def _children(node: Sequence | Mapping, path: str) -> list[tuple[str, Node]]:
    if isinstance(node, Sequence):
        return [(f"{path}[{index}]", item) for index, item in enumerate(node.items)]
    return [(_below(path, key), value) for key, value in node.pairs]


def _below(path: str, key: Node) -> str:
    word = key.text[:80] if isinstance(key, Scalar) else ""
    return f"{path}.{word}" if path else word


def _text(node: Scalar, values: Table[str, str]) -> Scalar:
    names = REFERENCE.findall(node.text)
    if not any(name in values for name in names):
        return node
    return Filled(REFERENCE.sub(lambda found: values.get(found[1], found[0]), node.text), node.line)
