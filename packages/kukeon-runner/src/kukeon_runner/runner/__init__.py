"""The host verbs, one module a noun: lock, observe, plan, execute, store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_runner.runner.cell import Cells
from kukeon_runner.runner.realm import Realms
from kukeon_runner.runner.space import Spaces
from kukeon_runner.runner.stack import Stacks
from kukeon_runner.runner.verbs import Verbs

if TYPE_CHECKING:
    from kukeon_runner.runner.context import Context
    from kukeon_runner.runner.level import Level


class HostRunner(Verbs):
    """The `Runner` that works on a host. Its nouns tell more of what they did than the verbs do."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.cells = Cells(context)
        self.stacks = Stacks(context, self.cells)
        self.spaces = Spaces(context, self.stacks)
        self.realms = Realms(context, self.spaces)

    def level(self, kind: str) -> Level[Any]:
        """The verbs that realms, spaces and stacks share."""
        found: dict[str, Level[Any]] = {"Realm": self.realms, "Space": self.spaces, "Stack": self.stacks}
        return found[kind]
