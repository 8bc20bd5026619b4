"""Results on stdout: tables for people; YAML, JSON and names for programs, with the same content and exit code."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TextIO, TypeVar, cast

import msgspec

from kukeon_api import plain
from kukeon_cli import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kukeon_api import model

Row = TypeVar("Row")

_TEXT = "tag:yaml.org,2002:str"


class Format(enum.StrEnum):
    """What `-o` takes."""

    TABLE = "table"
    WIDE = "wide"
    YAML = "yaml"
    JSON = "json"
    NAME = "name"


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column: its header, what it shows of a row, whether only `-o wide` has it, whether it holds a state.

    `least` is how wide it is at least where rows come one after the other, for what later ones may have in it.
    """

    header: str
    cell: Callable[[Row], str]
    wide: bool = False
    state: bool = False
    least: int = 0


@dataclass(frozen=True)
class Output:
    """Where results go and in which format."""

    format: Format
    stream: TextIO
    headers: bool = True
    """Whether tables begin with the names of their columns."""

    @property
    def for_people(self) -> bool:
        """Whether the result is text for people to read."""
        return self.format in (Format.TABLE, Format.WIDE)

    def rows(self, rows: Sequence[Row], columns: Sequence[Column[Row]]) -> None:
        """Print a table: a header and a line per row, columns as wide as needed and two spaces apart."""
        shown = [column for column in columns if self.format is Format.WIDE or not column.wide]
        cells = [[terminal.printable(column.cell(row)).replace("\n", " ") or "-" for column in shown] for row in rows]
        table = [[column.header for column in shown], *cells] if self.headers else cells
        widths = [max(len(line[index]) for line in table) for index in range(len(shown))]
        for number, line in enumerate(table):
            padded = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
            padded[-1] = padded[-1].rstrip()
            if number or not self.headers:
                padded = [
                    terminal.coloured(text, word, self.stream) if column.state else text
                    for text, word, column in zip(padded, line, shown, strict=True)
                ]
            self.line("  ".join(padded))

    def documents(
        self, docs: Sequence[model.Doc], columns: Sequence[Column[Any]], rows: Sequence[Any] | None = None
    ) -> None:
        """Print many documents; none at all is `[]` in JSON and nothing elsewhere.

        `rows` are what the columns show where that is not the documents themselves.
        """
        match self.format:
            case Format.JSON:
                self.json([document(doc) for doc in docs])
            case Format.YAML:
                self.yaml([manifest(doc) for doc in docs])
            case Format.NAME:
                for doc in docs:
                    self.line(f"{doc.kind.lower()}/{doc.metadata.name}")
            case _:
                if docs:
                    self.rows(docs if rows is None else rows, columns)

    def document(self, doc: model.Doc, columns: Sequence[Column[Any]], row: Any = None) -> None:
        """Print one document."""
        if self.format is Format.JSON:
            self.json(document(doc))
        else:
            self.documents([doc], columns, [doc if row is None else row])

    def result(self, value: Any, lines: Iterable[str], names: Iterable[str]) -> None:
        """Print what a command did: `value` for programs, `lines` for people, `names` of what it was done to."""
        match self.format:
            case Format.JSON:
                self.json(data(value))
            case Format.YAML:
                self.yaml([data(value)])
            case Format.NAME:
                for name in names:
                    self.line(name)
            case _:
                for line in lines:
                    self.line(terminal.printable(line))

    def json(self, value: Any) -> None:
        """Print `value` with two spaces of indentation; non-ASCII text stays readable."""
        self.line(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())

    def compact(self, value: Any) -> None:
        """Print `value` as JSON on one line, for streams of values."""
        self.line(msgspec.json.encode(value).decode())

    def yaml(self, values: Sequence[Any]) -> None:
        """Print `values` as a stream of documents."""
        for number, value in enumerate(values):
            if number:
                self.line("---")
            self.stream.write(yaml_text(value))

    def line(self, text: str) -> None:
        self.stream.write(text + "\n")


def document(doc: model.Doc) -> dict[str, Any]:
    """Return a document as `kuke apply` reads it: a spec without defaults, and all that is known of the status."""
    whole: dict[str, Any] = plain.to_builtins(doc)
    whole.setdefault("spec", {})
    if doc.status is not None:
        whole["status"] = _known(doc.status)
    return whole


def manifest(doc: model.Doc) -> dict[str, Any]:
    """Return a document as it is kept in a file: without its generation, which would refuse it after other changes."""
    whole = document(doc)
    whole.get("metadata", {}).pop("generation", None)
    return whole


def data(value: Any) -> Any:
    """Return any result as plain data: documents as `document` does, flags and numbers even when they are zero."""
    if isinstance(value, msgspec.Struct):
        return document(cast("model.Doc", value)) if hasattr(value, "api_version") else _known(value)
    if isinstance(value, dict):
        return {key: data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [data(item) for item in value]
    return plain.to_builtins(value)


def _known(value: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of `value` under their names on paper; left out is only what is unset or empty text."""
    fields = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
    pairs = ((key, getattr(value, name)) for key, name in fields)
    return {key: data(item) for key, item in pairs if item is not None and item != ""}


def yaml_text(value: Any) -> str:
    """Return one YAML document; text of several lines keeps its lines."""
    import yaml

    parent: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(parent):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, data: str) -> yaml.ScalarNode:
        node: yaml.ScalarNode = dumper.represent_scalar(_TEXT, data, style="|" if "\n" in data else None)
        return node

    Dumper.add_representer(str, text)
    # A line that is never folded can be searched for.
    return str(
        yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=4096)
    )
