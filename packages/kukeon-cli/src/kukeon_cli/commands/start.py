"""`kuke start`: cells and containers run again."""

from __future__ import annotations

from kukeon_cli import lifecycle

VERB = lifecycle.Verb("start", "starting", "Started", flag="started", already="already runs")

cell = lifecycle.command(
    VERB,
    "Cell",
    """Start cells.

    What runs already is left alone. With -l all cells whose labels match are started, in every scope that no flag
    narrows; the failure of one stops none of the others.

    \b
        kuke start web
        kuke start cell web worker --stack shop
        kuke start -l app=web
    """,
)

container = lifecycle.command(
    VERB,
    "Container",
    """Start containers of a cell.

    \b
        kuke start container nginx --cell web
    """,
)

group = lifecycle.group(VERB, "Start cells or containers.\n\nWhat runs already is left alone.")
