"""`kuke stop`: programs are asked to end, and made to after their grace period."""

from __future__ import annotations

from kukeon_cli import lifecycle

VERB = lifecycle.Verb("stop", "stopping", "Stopped", flag="stopped", already="does not run")

command = lifecycle.command(
    VERB,
    """Stop cells or containers gracefully.

    Programs get SIGTERM, and SIGKILL when they do not end in time. What they wrote is kept; `kuke start` goes on
    with it.
    """,
)
