"""Ports, names and policies with real cells on a real host: what programs in them and on the host reach."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from kukeon_api import errors, model
from kukeon_runner.controller import Controller
from kukeon_runner.testing.places import IMAGE, PATIENCE_S, Place, cell

pytestmark = pytest.mark.host

SERVE = "trap 'exit 0' TERM; while :; do hostname | nc -l -p 80 & wait $!; done"


@contextlib.asynccontextmanager
async def kept(place: Place) -> AsyncIterator[Controller]:
    """As kukeond does it: networks are kept current."""
    async with place.opened() as found:
        keeping = asyncio.create_task(found.keep_current())
        try:
            yield found
            assert not keeping.done()
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})


def web(name: str, *published: str) -> model.CellDoc:
    doc = cell(name, ("-c", SERVE))
    (spec,) = doc.spec.containers
    containers = (msgspec.structs.replace(spec, ports=published, image=IMAGE),)
    return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, containers=containers))


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as trying:
        trying.bind(("127.0.0.1", 0))
        return int(trying.getsockname()[1])


async def said(host: str, port: int) -> str:
    """What the server there says; empty when nobody does."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(host, port)
            text = await reader.read()
            writer.close()
            return text.decode().strip()
    except (OSError, TimeoutError):
        return ""


async def becomes(look: Callable[[], Awaitable[object]], expected: object) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await look() != expected:  # noqa: ASYNC110 - what programs in cells do
            await asyncio.sleep(0.02)


def etc_hosts(place: Place, name: str) -> tuple[str, int]:
    """What a program in the cell reads as /etc/hosts, and the inode that it reads."""
    path = Path(f"/proc/{place.tasks()[f'default_default_{name}_main']}/root/etc/hosts")
    return path.read_text(), path.stat().st_ino


def route_localnet(place: Place) -> str:
    bridge = place.layout.bridge(model.Ref("default", "default"))
    return Path(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet").read_text().strip()


def hairpins(place: Place) -> list[str]:
    bridge = place.layout.bridge(model.Ref("default", "default"))
    return [path.read_text().strip() for path in Path("/sys/class/net").glob(f"{bridge}/brif/*/hairpin_mode")]


async def test_a_port_leads_to_the_cell_wherever_it_goes(place: Place) -> None:
    port = free_port()
    async with kept(place) as found:
        await place.load(found)
        await found.create_cell(web("web", f"{port}:80"))
        await becomes(lambda: said("127.0.0.1", port), "web")
        assert route_localnet(place) == "1"
        assert hairpins(place) == ["1"], "or it would not reach itself by its port"
        await found.restart_cell(web("web"))
        await becomes(lambda: said("127.0.0.1", port), "web")
        table = ("nft", "delete", "table", "inet", place.layout.nft_table)
        await asyncio.to_thread(subprocess.run, table, check=True)
        await becomes(lambda: said("127.0.0.1", port), "web")
    async with kept(place) as found:
        await becomes(lambda: said("127.0.0.1", port), "web")
        await found.stop_cell(web("web"))
        assert await said("127.0.0.1", port) == ""
        assert route_localnet(place) == "0"


async def test_a_port_of_udp(place: Place) -> None:
    port = free_port(socket.SOCK_DGRAM)

    async def answered() -> str:
        """What a datagram to the port of the host is answered with."""

        def ask() -> str:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.settimeout(0.5)
                asking.connect(("127.0.0.1", port))
                try:
                    asking.send(b"who\n")
                    return asking.recv(100).decode().strip()
                except OSError:
                    return ""

        return await asyncio.to_thread(ask)

    async with kept(place) as found:
        await place.load(found)
        doc = web("names", f"{port}:53/udp")
        await found.create_cell(doc)
        # The image has nothing that speaks UDP: this program of ours is in the cell's network.
        within = f"--net=/proc/{place.tasks()['default_default_names_main']}/ns/net"
        answering = await asyncio.create_subprocess_exec("nsenter", within, sys.executable, "-c", ANSWERS)
        try:
            await becomes(answered, "from 53")
            await found.kill_cell(doc)
            assert await answered() == ""
        finally:
            answering.kill()
            await answering.wait()


ANSWERS = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as answering:
    answering.bind(("", 53))
    while True:
        _, who = answering.recvfrom(100)
        answering.sendto(b"from 53", who)
"""


async def test_a_listener_of_the_host_is_a_clash(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        async with kept(place) as found:
            await place.load(found)
            with pytest.raises(errors.PortTaken, match="a program on this host has it"):
                await found.create_cell(web("web", f"0.0.0.0:{port}:80"))
            assert found.runner.cells.find(model.Ref("default", "default", "default", "web")) is None


async def test_cells_know_each_other_in_files_that_are_bound(place: Place) -> None:
    async with kept(place) as found:
        await place.load(found)
        await found.create_cell(web("a"))
        alone, inode = etc_hosts(place, "a")
        await found.create_cell(web("b"))
        together, same = etc_hosts(place, "a")
        assert "\tb b.default\n" in together
        assert same == inode
        await found.delete_cell(web("b"))
        assert etc_hosts(place, "a") == (alone, inode)


async def test_a_policy_reaches_cells_that_run(place: Place) -> None:
    async with kept(place) as found:
        await place.load(found)
        await found.create_cell(web("web"))
        pid = place.tasks()["default_default_web_main"]
        gateway = str(dict(found.runner.context.subnets.allocated())[model.Ref("default", "default")][1])
        ping = ("nsenter", f"--net=/proc/{pid}/ns/net", "ping", "-c1", "-W1", gateway)

        async def reached() -> bool:
            return (await asyncio.to_thread(subprocess.run, ping, capture_output=True, check=False)).returncode == 0

        assert await reached()
        network = model.SpaceNetwork(egress=model.EgressPolicy(default="deny"))
        doc = found.runner.spaces.get(model.Ref("default", "default"))
        spec = msgspec.structs.replace(doc.spec, network=network)
        await found.runner.update_space(msgspec.structs.replace(doc, spec=spec))
        assert not await reached()
