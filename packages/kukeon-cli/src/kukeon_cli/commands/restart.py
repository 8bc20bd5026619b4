"""`kuke restart`: programs end and begin anew."""

from __future__ import annotations

from kukeon_cli import lifecycle

VERB = lifecycle.Verb("restart", "restarting", "Restarted", flag="restarted", already="did not run and was started")

cell = lifecycle.command(
    VERB,
    "Cell",
    """Restart cells.

    What runs is stopped as by `kuke stop` and started again; what does not run is started.

    \b
        kuke restart web
        kuke restart -l app=web --stack shop
    """,
)

container = lifecycle.command(
    VERB,
    "Container",
    """Restart containers of a cell.

    \b
        kuke restart container nginx --cell web
    """,
)

group = lifecycle.group(VERB, "Stop and start cells or containers.\n\nWhat does not run is started.")
