"""The verbs of `kukeon_runner.verbs.Runner`, as thin as can be: the nouns do the work."""

from __future__ import annotations

from kukeon_runner.runner.verbs.containers import ContainerVerbs
from kukeon_runner.runner.verbs.host import HostVerbs
from kukeon_runner.runner.verbs.levels import LevelVerbs


class Verbs(HostVerbs, LevelVerbs, ContainerVerbs):
    """All of them."""


__all__ = ["Verbs"]
