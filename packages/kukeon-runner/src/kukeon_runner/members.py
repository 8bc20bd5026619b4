"""What a network knows of the cells in it, and who is told of a change: packet rules and hosts files.

Whatever a change concerns is brought up to date by one pass at a time, and a pass serves everybody who asked before it
began: a hundred cells that start at once cost a few passes, not a hundred.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kukeon_api import errors
from kukeon_runner import peers
from kukeon_runner.firewall import Published, Wall

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from kukeon_api import model, ports
    from kukeon_runner.peers import Member

log = logging.getLogger(__name__)

PASS_GAP_S = 0.05
"""Between the beginnings of two passes over the hosts files of a space: nobody notices, and it bounds the writing."""


@dataclass(frozen=True)
class Census:
    """All that is known from documents and from the host, for a process that begins."""

    wall: Wall
    members: tuple[Member, ...]


class Doors(Protocol):
    """What changes are made by."""

    async def enforce(self, wall: Wall) -> None:
        """Make the packet rules exactly what `wall` needs."""

    async def read(self, path: str) -> str | None:
        """The text of a file, None when there is none."""

    async def write(self, path: str, text: str) -> None:
        """Write a file that exists in place; one that is gone is left alone."""

    async def forget(self, address: str) -> None:
        """Have no connection continue that was translated to `address`."""


class Members:
    """See the module. Reads a census by itself when it is first needed. `gap_s` is 0 where writing costs nothing."""

    def __init__(self, doors: Doors, gap_s: float = PASS_GAP_S) -> None:
        self._doors = doors
        self._gap_s = gap_s
        self._source: Callable[[], Awaitable[Census]] | None = None
        self._loading = asyncio.Lock()
        self._loaded = False
        self._wall = Wall()
        self._members: dict[model.Ref, Member] = {}
        self._written: dict[str, str] = {}
        self._rules = Passes(self._renew_rules)
        self._names: dict[str, Passes] = {}

    def follow(self, source: Callable[[], Awaitable[Census]]) -> None:
        """Learn from `source` what there is, when that is needed."""
        self._source = source

    async def enforce(self, wall: Wall) -> None:
        """Have the rules for `wall`, whose published ports are those of the members. Raises HostError."""
        await self._load()
        self._wall = wall
        self._rules.mark()
        await self._rules.settle()

    async def in_force(self) -> None:
        """Have the rules in force once in the life of this process, before anything is attached: closed, not open."""
        await self._load()
        await self._rules.settle()

    async def renew(self) -> None:
        """Bring what is marked up to date: rules, and names of every space."""
        await self._load()
        await self._rules.settle()
        for passes in list(self._names.values()):
            await passes.settle()

    async def member(self, ref: model.Ref) -> Member | None:
        await self._load()
        return self._members.get(ref)

    async def everybody(self) -> tuple[Member, ...]:
        await self._load()
        return tuple(self._members.values())

    async def announce(self, member: Member) -> str:
        """Know the member from now on; the text of its hosts file. `publish` tells the others, and opens its ports."""
        await self._load()
        before = self._members.get(member.ref)
        self._members[member.ref] = member
        if _published(before) != _published(member):
            self._rules.mark()
        # The caller writes the file, perhaps later than a pass that is under way: the next one looks at it again.
        self._named(member.bridge).mark()
        self._written.pop(member.hosts, None)
        return peers.texts(self._within(member.bridge))[member.hosts]

    async def publish(self, bridge: str) -> None:
        """Have everybody know what was announced behind `bridge`, and ports open. Raises HostError."""
        await asyncio.gather(self._named(bridge).settle(), self._rules.settle())

    async def withdraw(self, ref: model.Ref) -> None:
        """Forget the member; when this returns nothing leads to it. Raises HostError when rules cannot be changed."""
        await self._load()
        member = self._members.pop(ref, None)
        if member is None:
            return
        self._written.pop(member.hosts, None)
        self._named(member.bridge).mark()
        if member.ports:
            self._rules.mark()
        await self.publish(member.bridge)
        if member.ports:
            await self._doors.forget(member.address)

    def drop(self, bridge: str) -> None:
        """Forget all members behind a bridge that goes."""
        for ref in [each.ref for each in self._within(bridge)]:
            self._written.pop(self._members.pop(ref).hosts, None)
        self._names.pop(bridge, None)

    async def _load(self) -> None:
        if self._loaded or self._source is None:
            return
        async with self._loading:
            if self._loaded:
                return
            census = await self._source()
            self._wall = census.wall
            self._members = {each.ref: each for each in census.members}
            self._loaded = True
            self._rules.mark()
            for bridge in {each.bridge for each in census.members}:
                self._named(bridge).mark()

    async def _renew_rules(self) -> None:
        published = {each for member in self._members.values() for each in _published(member)}
        await self._doors.enforce(dataclasses.replace(self._wall, published=tuple(sorted(published))))

    def _named(self, bridge: str) -> Passes:
        return self._names.setdefault(bridge, Passes(functools.partial(self._renew_names, bridge), self._gap_s))

    async def _renew_names(self, bridge: str) -> None:
        for path, text in peers.texts(self._within(bridge)).items():
            if path not in self._written:
                self._written[path] = await self._doors.read(path) or ""
            if self._written.get(path) == text:
                continue
            try:
                await self._doors.write(path, text)
            except errors.HostError as error:
                # Somebody else's file: whose verb this is can do nothing about it.
                log.warning("cannot tell a cell of its peers: %s", error)
                self._written.pop(path, None)
            else:
                self._written[path] = text

    def _within(self, bridge: str) -> list[Member]:
        return [each for each in self._members.values() if each.bridge == bridge]


class Passes:
    """Work that is done again after each mark, by one at a time, at least `gap_s` seconds after it last began."""

    def __init__(self, work: Callable[[], Awaitable[None]], gap_s: float = 0.0) -> None:
        self._work = work
        self._gap_s = gap_s
        self._marked = self._done = 0
        self._began = float("-inf")
        self._lock = asyncio.Lock()

    def mark(self) -> None:
        """Something has changed."""
        self._marked += 1

    async def settle(self) -> None:
        """Return when what is marked by now is done, by whomever. Raises what the work raises."""
        wanted = self._marked
        if self._done >= wanted:
            return
        async with self._lock:
            if self._done >= wanted:
                return
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._began + self._gap_s - loop.time()))
            self._began, upto = loop.time(), self._marked
            await self._work()
            self._done = upto


def _published(member: Member | None) -> set[Published]:
    if member is None:
        return set()
    return {Published(port, member.address, member.bridge) for port in member.ports}


def claimed(
    claims: Mapping[model.Ref, Iterable[ports.Port]], ref: model.Ref, wanted: Iterable[ports.Port]
) -> tuple[ports.Port, model.Ref] | None:
    """The first of `wanted` that another than `ref` has, and who; None when all are free."""
    others = [(port, other) for other, held in sorted(claims.items()) if other != ref for port in held]
    return next(((port, other) for port in wanted for held, other in others if held.clashes(port)), None)
