"""Ports that cells publish: which a cell asks for, and whether it may have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors, model, ports
from kukeon_runner import members

if TYPE_CHECKING:
    from kukeon_runner.peers import Member
    from kukeon_runner.runner.context import Context


def of(doc: model.CellDoc) -> tuple[ports.Port, ...]:
    """The ports that `doc` (normal) publishes."""
    return ports.of(text for each in doc.spec.containers for text in each.ports)


async def check(context: Context, doc: model.CellDoc) -> None:
    """Raise PortTaken when the cell asks for a port that it has not and cannot have. What it gets is claimed for it.

    A claim holds while a verb is at work on the cell: two that come up at once cannot both be told that a port is free.
    """
    ref, wanted = model.ref_of(doc), of(doc)
    if not wanted:
        return
    network = context.host.network
    everybody = await network.members.everybody()
    # From here to the claim nothing is awaited.
    if (found := members.claimed(_claims(context, everybody), ref, wanted)) is not None:
        port, other = found
        raise errors.PortTaken(
            f"cannot publish {port.place} for cell {str(ref)!r}: cell {str(other)!r} has it",
            hint="choose another port, or stop that cell",
        )
    context.port_claims[ref] = wanted
    own = await network.members.member(ref)
    fresh = [port for port in wanted if own is None or port not in own.ports]
    for port, who in (await network.taken(fresh)).items() if fresh else ():
        context.port_claims.pop(ref, None)
        raise errors.PortTaken(
            f"cannot publish {port.place} for cell {str(ref)!r}: {who} has it",
            hint=f"choose another port, or see who that is: ss -{port.protocol[0]}lnp sport = :{port.host}",
        )


def _claims(context: Context, everybody: tuple[Member, ...]) -> dict[model.Ref, set[ports.Port]]:
    """Which cell has which ports: those that are open, and those that a verb is about to open."""
    found = {each.ref: set(each.ports) for each in everybody}
    for ref, claimed in context.port_claims.items():
        if context.lock.locked(ref):
            found.setdefault(ref, set()).update(claimed)
    return found
