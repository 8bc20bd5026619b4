"""`kuke kill`: programs end at once."""

from __future__ import annotations

from kukeon_cli import lifecycle

VERB = lifecycle.Verb("kill", "killing", "Killed", flag="killed", already="does not run")

command = lifecycle.command(
    VERB,
    """Kill cells or containers at once.

    Programs get SIGKILL and cannot clean up; try `kuke stop` first.
    """,
)
