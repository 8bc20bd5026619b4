"""Ports that cells publish: which a cell asks for, and whether it may have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kukeon_api import errors, model, ports
from kukeon_runner import members

if TYPE_CHECKING:
    from kukeon_runner.host.protocol import Reservation
    from kukeon_runner.peers import Member
    from kukeon_runner.runner.context import Context


@dataclass(frozen=True)
class Claim:
    """Ports that a verb has found free, and what keeps other kukeons of this host from them until they are open."""

    wanted: tuple[ports.Port, ...]
    reserved: tuple[tuple[tuple[ports.Port, ...], Reservation], ...] = ()


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
    own = await _claim(context, ref, wanted)
    fresh = [port for port in wanted if own is None or port not in own.ports]
    for port, who in (await network.taken(fresh)).items() if fresh else ():
        _let_go(context, ref)
        raise errors.PortTaken(
            f"cannot publish {port.place} for cell {str(ref)!r}: {who} has it",
            hint=f"choose another port, or see who that is: ss -{port.protocol[0]}lnp sport = :{port.host}",
        )


async def _claim(context: Context, ref: model.Ref, wanted: tuple[ports.Port, ...]) -> Member | None:
    """Claim `wanted` for the cell until its lock is free: in this instance, and for it among those of the host.

    Returns what the cell has now. Raises PortTaken.
    """
    before = context.port_claims.get(ref)
    context.port_claims[ref] = Claim(wanted, before.reserved if before else ())
    if before is None:
        context.lock.at_release(ref, lambda: _let_go(context, ref))
    network = context.host.network
    own = await network.members.member(ref)
    claim = context.port_claims[ref]
    known = {*(own.ports if own else ()), *(port for reserved, _ in claim.reserved for port in reserved)}
    if fresh := [port for port in wanted if port not in known]:
        reservation = await network.reserve(fresh)
        if (port := reservation.clash) is not None:
            _let_go(context, ref)
            raise errors.PortTaken(
                f"cannot publish {port.place} for cell {str(ref)!r}: another kukeon on this host is about to",
                hint="choose another port, or stop the other cell",
            )
        context.port_claims[ref] = Claim(wanted, (*claim.reserved, (tuple(fresh), reservation)))
    return own


def _let_go(context: Context, ref: model.Ref) -> None:
    claim = context.port_claims.pop(ref, None)
    for _, reservation in claim.reserved if claim else ():
        reservation.release()


def _claims(context: Context, everybody: tuple[Member, ...]) -> dict[model.Ref, set[ports.Port]]:
    """Which cell has which ports: those that are open, and those that a verb is about to open."""
    found = {each.ref: set(each.ports) for each in everybody}
    for ref, claim in context.port_claims.items():
        found.setdefault(ref, set()).update(claim.wanted)
    return found
