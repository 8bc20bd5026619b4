"""`kuke stop`: programs end in their own time, but end."""

from __future__ import annotations

from kukeon_cli import lifecycle

VERB = lifecycle.Verb("stop", "stopping", "Stopped", flag="stopped", already="does not run")

cell = lifecycle.command(
    VERB,
    "Cell",
    """Stop cells.

    Programs get the stop signal of their image, else SIGTERM, and SIGKILL when they have not ended after 10 seconds.
    Where the image names none, a terminal is hung up as well: interactive shells do not listen to SIGTERM. A stopped
    cell stays stopped, also when the host starts again.

    \b
        kuke stop web
        kuke stop -l tier=test
    """,
)

container = lifecycle.command(
    VERB,
    "Container",
    """Stop containers of a cell.

    \b
        kuke stop container nginx --cell web
    """,
)

group = lifecycle.group(
    VERB,
    "Stop cells or containers gracefully.\n\n"
    "Programs get their stop signal, SIGTERM if they have none of their own, and\nSIGKILL after a grace period.",
)
