"""Usage errors that know better what to do than to see the help. Imports click only, like `options`."""

from __future__ import annotations

import click


class HintedUsageError(click.UsageError):
    """A usage error with a `hint` of its own; without one the help is named, as for others."""

    def __init__(self, message: str, hint: str, ctx: click.Context | None = None) -> None:
        super().__init__(message, ctx)
        self.hint = hint
