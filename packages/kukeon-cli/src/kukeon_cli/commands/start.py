"""`kuke start`: cells and containers run again."""

from __future__ import annotations

from kukeon_cli import lifecycle

VERB = lifecycle.Verb("start", "starting", "Started", flag="started", already="already runs")

command = lifecycle.command(
    VERB,
    """Start cells or containers.

    `kuke start web` and `kuke start cell web` are the same; `kuke start container nginx --cell web` starts one
    container. What runs already is left alone.
    """,
)
