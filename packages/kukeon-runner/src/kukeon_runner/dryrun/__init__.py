"""What would happen: the same verbs, over a store and a host that read the real ones and keep changes to themselves.

There is no second way of deciding that could disagree with the first. What only doing can show (a program that is not
in its image, a plugin that refuses) is not foreseen.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from kukeon_runner import credentials
from kukeon_runner.dryrun.host import DryHost
from kukeon_runner.dryrun.store import DryStore, DrySubnets
from kukeon_runner.happenings import Happenings
from kukeon_runner.locks import KeyedLock

if TYPE_CHECKING:
    from kukeon_runner.runner.context import Context


def of(context: Context) -> Context:
    """A context in which nothing is written, neither to disk nor to the host. It waits for nobody's locks."""
    return dataclasses.replace(
        context,
        store=DryStore(context.store, context.layout, context.now),
        subnets=DrySubnets(context.subnets, context.layout),
        host=DryHost(context.host),
        credentials=credentials.DryStore(context.credentials),
        lock=KeyedLock(),
        network_lock=asyncio.Lock(),
        happenings=Happenings(),
        carers=set(),
        port_claims={},
    )
