"""nftables by the nft program: one process and one JSON document for each transaction.

The kernel takes a document whole or not at all.  `netns` runs nft in another network namespace, given as a path;
nsenter does the entering, so no thread of this process ever changes namespace.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import re
import shutil
import signal
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_api.ports import EVERYWHERE, Port
from kukeon_runner import firewall, firewall_foreign

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kukeon_runner.firewall import Wall
    from kukeon_runner.firewall_rules import Command

TIMEOUT_S = 30.0
_SBIN = ("/usr/sbin", "/sbin")
# Rules in chains of others are found by one process and deleted by the next; their owner may have been faster.
_ATTEMPTS = 5
# Tables of instances: `layout.Layout.nft_table`.
_OURS = re.compile(r"kukeon(_[0-9a-f]{8})?")
_ABSENT = "No such file or directory"

own_ports: collections.deque[int] = collections.deque(maxlen=64)
"""Netlink ports of the last transactions of ours: the kernel gives a process's first socket the process's number."""


async def run(commands: Sequence[Command], *, netns: str | None = None) -> None:
    """Carry out `commands` as one transaction.  Raises HostError with nft's words; then nothing has changed."""
    if not commands:
        return
    status, _, trouble = await _nft(["-j", "-f", "-"], _document(commands), netns)
    if status != 0:
        raise _refused("change the packet rules", trouble)


async def apply(table: str, wall: Wall, *, netns: str | None = None) -> None:
    """Make our table and our rules in chains of others exactly what `wall` needs, in one transaction."""
    await _with_foreign(table, firewall.ruleset(table, wall), _bridges(wall), netns)


async def apply_foreign(table: str, wall: Wall, *, netns: str | None = None) -> None:
    """Make our rules in chains of others what `wall` needs; where they are so already, nothing is written."""
    await _with_foreign(table, [], _bridges(wall), netns)


async def remove(table: str, *, netns: str | None = None) -> None:
    """Remove our table and our rules in chains of others; absent is done."""
    await _with_foreign(table, firewall.removal(table), (), netns)


async def published_by_others(table: str, *, netns: str | None = None) -> dict[str, list[Port]]:
    """Return the ports that kukeons other than that of `table` have published on this host, by their table."""
    tables = await _list(["tables", firewall.FAMILY], netns) or {"nftables": []}
    names = [entry["table"]["name"] for entry in tables["nftables"] if "table" in entry]
    found = {}
    for name in names:
        if (
            name != table
            and _OURS.fullmatch(name)
            and (listing := await list_table(firewall.FAMILY, name, netns=netns))
        ):
            found[name] = list(_published(listing))
    return found


def _published(listing: dict[str, Any]) -> Iterable[Port]:
    maps = {entry["map"]["name"]: entry["map"] for entry in listing["nftables"] if "map" in entry}
    for key, number in maps.get("at_port", {}).get("elem", ()):
        address, protocol, host = key["concat"]
        yield Port(str(address), int(host), int(number), str(protocol))
    for key, number in maps.get("everywhere_port", {}).get("elem", ()):
        protocol, host = key["concat"]
        yield Port(EVERYWHERE, int(host), int(number), str(protocol))


async def list_table(family: str, name: str, *, netns: str | None = None) -> dict[str, Any] | None:
    """Return nft's listing of a table, None when it is absent."""
    return await _list(["table", family, name], netns)


async def list_chain(family: str, table: str, name: str, *, netns: str | None = None) -> dict[str, Any] | None:
    """Return nft's listing of a chain with its rules, None when it is absent."""
    return await _list(["chain", family, table, name], netns)


async def table_exists(family: str, name: str, *, netns: str | None = None) -> bool:
    """Tell whether the table is there."""
    listing = await _list(["tables", family], netns)
    return any(entry.get("table", {}).get("name") == name for entry in (listing or {"nftables": []})["nftables"])


def _bridges(wall: Wall) -> list[str]:
    return [net.bridge for net in wall.nets]


async def _with_foreign(table: str, commands: list[Command], bridges: Sequence[str], netns: str | None) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        chains = await _foreign_chains(netns)
        try:
            await run([*commands, *firewall_foreign.rules(table, bridges, chains)], netns=netns)
        except errors.HostError as error:
            if attempt == _ATTEMPTS or _ABSENT not in error.message:
                raise
        else:
            return


async def _foreign_chains(netns: str | None) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return the listings of those chains of others that exist, most often none."""
    everything = await _list(["chains", "ip"], netns) or {"nftables": []}
    named = [entry["chain"] for entry in everything["nftables"] if "chain" in entry]
    present = {(chain["family"], chain["table"], chain["name"]) for chain in named}
    listings = {}
    for place in firewall_foreign.CHAINS:
        if place in present and (listing := await list_chain(*place, netns=netns)) is not None:
            listings[place] = listing
    return listings


async def _list(what: list[str], netns: str | None) -> dict[str, Any] | None:
    status, output, trouble = await _nft(["-j", "list", *what], b"", netns)
    if status != 0:
        if _ABSENT in trouble:
            return None
        raise _refused(f"list {' '.join(what)}", trouble)
    listing: dict[str, Any] = json.loads(output)
    return listing


async def _nft(arguments: list[str], stdin: bytes, netns: str | None) -> tuple[int, bytes, str]:
    """Run nft in its own session; return status, output and error output.  Ends it as a group when it hangs."""
    command = [*([_program("nsenter"), f"--net={netns}", "--"] if netns else []), _program("nft"), *arguments]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env={"PATH": _search_path(), "LC_ALL": "C"},
    )
    own_ports.append(process.pid)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            output, trouble = await process.communicate(stdin)
    except TimeoutError as error:
        raise errors.TimedOut(f"cannot finish {' '.join(command)!r}: no end after {TIMEOUT_S:g} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output, trouble.decode(errors="replace").strip()


def _document(commands: Sequence[Command]) -> bytes:
    return json.dumps({"nftables": [{"metainfo": {"json_schema_version": 1}}, *commands]}).encode()


def program() -> str:
    """The nft program. Raises HostError where it is not installed."""
    return _program("nft")


def _program(name: str) -> str:
    found = shutil.which(name, path=_search_path())
    if found is None:
        package = "nftables" if name == "nft" else "util-linux"
        raise errors.HostError(f"cannot run {name}: it is not installed", hint=f"install the package {package}")
    return found


def _search_path() -> str:
    # A user's PATH has no sbin, and kukeond may be started with one.
    return os.pathsep.join([*os.environ.get("PATH", os.defpath).split(os.pathsep), *_SBIN])


def _refused(doing: str, trouble: str) -> errors.HostError:
    first = trouble.splitlines()[0] if trouble else "nft failed without a word"
    hint = "run as root, or with CAP_NET_ADMIN" if "Operation not permitted" in trouble else ""
    return errors.HostError(f"cannot {doing}: {first}", hint=hint)
