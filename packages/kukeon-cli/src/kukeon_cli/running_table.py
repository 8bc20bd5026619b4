"""A table whose rows come one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kukeon_cli import terminal
from kukeon_cli.output import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_cli.output import Column, Output

Row = TypeVar("Row")


class RunningTable(Generic[Row]):
    """Prints rows as they come under one header; columns are as wide as the widest so far, and never narrower again.

    The header comes with the first row.
    """

    def __init__(self, out: Output, columns: Sequence[Column[Any]]) -> None:
        self._out = out
        self.refresh(columns)
        self._widths = [max(len(each.header), each.least) for each in self._columns]
        self._begun = False

    def refresh(self, columns: Sequence[Column[Any]]) -> None:
        """Have columns of the same names show something else from now on: ages grow."""
        self._columns = [each for each in columns if self._out.format is Format.WIDE or not each.wide]

    def rows(self, rows: Sequence[Row]) -> None:
        """Print rows, those that came together with the same widths, and let them be seen at once."""
        if not rows:
            return
        table = [
            [terminal.printable(each.cell(row)).replace("\n", " ") or "-" for each in self._columns] for row in rows
        ]
        for cells in table:
            self._widths = [max(width, len(text)) for width, text in zip(self._widths, cells, strict=True)]
        if not self._begun and self._out.headers:
            self._line([each.header for each in self._columns], coloured=False)
        self._begun = True
        for cells in table:
            self._line(cells, coloured=True)
        self._out.stream.flush()

    def _line(self, cells: Sequence[str], *, coloured: bool) -> None:
        padded = [text.ljust(width) for text, width in zip(cells, self._widths, strict=True)]
        padded[-1] = padded[-1].rstrip()
        if coloured:
            padded = [
                terminal.coloured(text, word, self._out.stream) if column.state else text
                for text, word, column in zip(padded, cells, self._columns, strict=True)
            ]
        self._out.line("  ".join(padded))
