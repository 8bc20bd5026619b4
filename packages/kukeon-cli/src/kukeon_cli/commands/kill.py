"""`kuke kill`: programs end at once."""

from __future__ import annotations

from kukeon_cli import lifecycle

VERB = lifecycle.Verb("kill", "killing", "Killed", flag="killed", already="does not run")

cell = lifecycle.command(
    VERB,
    "Cell",
    """Kill cells.

    Programs get SIGKILL and cannot clean up; try `kuke stop` first.

    \b
        kuke kill web
        kuke kill -l tier=test
    """,
)

container = lifecycle.command(
    VERB,
    "Container",
    """Kill containers of a cell.

    \b
        kuke kill container nginx --cell web
    """,
)

group = lifecycle.group(
    VERB, "Kill cells or containers at once.\n\nPrograms get SIGKILL and cannot clean up; try `kuke stop` first."
)
