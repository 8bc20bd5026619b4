"""The connection, namespaces, leases, content and snapshots, on a real containerd."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kukeon_api import errors
from kukeon_runner.host.containerd.archive import import_archive
from kukeon_runner.host.containerd.client import Containerd, Namespaced
from kukeon_runner.host.containerd.values import Descriptor
from kukeon_runner.testing.archives import Layout
from kukeon_runner.testing.containerd import PrivateContainerd, private_containerd

pytestmark = pytest.mark.host


@pytest.fixture
def mortal() -> Iterator[PrivateContainerd]:
    """A containerd that a test may kill."""
    with private_containerd() as process:
        yield process


async def test_version_and_plugins(containerd: Containerd, containerd_process: PrivateContainerd) -> None:
    version = await containerd.version()
    assert version.version in containerd_process.ctr("version")
    assert containerd.snapshotter in {"overlayfs", "native"}
    assert any(plugin.type == "io.containerd.content.v1" and plugin.ok for plugin in await containerd.plugins())


async def test_no_socket(tmp_path: Path) -> None:
    with pytest.raises(errors.ConnectContainerd, match="no such socket") as caught:
        await Containerd.connect(tmp_path / "none.sock")
    assert caught.value.exit_code == 8
    assert caught.value.hint


async def test_not_a_socket(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.ConnectContainerd, match="not a socket"):
        await Containerd.connect(tmp_path / "file")


async def test_socket_that_nobody_serves(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    with pytest.raises(errors.ConnectContainerd, match="is away"):
        await Containerd.connect(tmp_path / "dead.sock", timeout_s=1)


async def test_socket_that_never_answers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen()
        with pytest.raises((errors.TimedOut, errors.ConnectContainerd)):
            await Containerd.connect(tmp_path / "mute.sock", timeout_s=0.3)


async def test_restart(mortal: PrivateContainerd) -> None:
    """After a crash of containerd the same client goes on by itself."""
    async with await Containerd.connect(mortal.socket) as client:
        await client.create_namespace("kt-restart")
        namespace = client.with_namespace("kt-restart")
        await namespace.content.write(b"kept", labels={"containerd.io/gc.root": "yes"})
        events = asyncio.create_task(_first(client))
        await asyncio.sleep(0)
        mortal.kill()
        with pytest.raises(errors.ConnectContainerd) as caught:
            await namespace.content.list()
        assert str(mortal.socket) in str(caught.value)
        with pytest.raises(errors.ConnectContainerd):
            await events
        await asyncio.to_thread(mortal.start)
        await client.wait_ready(20)
        assert [blob.size for blob in await namespace.content.list()] == [4]
        await namespace.content.delete((await namespace.content.list())[0].digest)
        await client.drain_namespace("kt-restart")
        assert await client.delete_namespace("kt-restart") is True


async def _first(client: Containerd) -> None:
    async for _ in client.subscribe(['topic=="/never"']):
        pass


async def test_containerd_dies_in_the_middle_of_a_load(mortal: PrivateContainerd) -> None:
    data = Layout()
    data.name(data.image([b"x" * 3_000_000], compression=""), "x:1")

    async def deadly() -> AsyncIterator[bytes]:
        archive = data.tar()
        yield archive[:2_000_000]
        mortal.kill()
        yield archive[2_000_000:]

    async with await Containerd.connect(mortal.socket) as client:
        await client.create_namespace("kt-dies")
        namespace = client.with_namespace("kt-dies")
        with pytest.raises(errors.ConnectContainerd):
            await import_archive(namespace, deadly())
        await asyncio.to_thread(mortal.start)
        await client.wait_ready(20)
        assert await namespace.images.list() == ()
        assert await namespace.leases.drop_abandoned() == 1
        await client.drain_namespace("kt-dies")
        assert await client.delete_namespace("kt-dies")


async def test_wait_ready_gives_up(mortal: PrivateContainerd) -> None:
    async with await Containerd.connect(mortal.socket) as client:
        mortal.kill()
        with pytest.raises((errors.TimedOut, errors.ConnectContainerd)):
            await client.wait_ready(0.3)


async def test_a_lease_that_could_not_be_made_is_not_held(mortal: PrivateContainerd) -> None:
    async with await Containerd.connect(mortal.socket) as client:
        leases = client.with_namespace("kt-away").leases
        mortal.kill()
        with pytest.raises(errors.ConnectContainerd):
            await leases.create("nothing")
        assert leases.scope.connection.holding == set()


async def test_close(containerd_process: PrivateContainerd) -> None:
    """Calls under way, and later ones, say that the connection is closed; nobody's task looks cancelled."""
    client = await Containerd.connect(containerd_process.socket)
    listening = asyncio.create_task(_first(client))
    await client.version()
    await client.close()
    await client.close()
    for call in (listening, client.version(), client.with_namespace("x").content.write(b"x"), _first(client)):
        with pytest.raises(errors.ConnectContainerd, match="is closed"):
            await call


async def test_a_cancelled_call_is_cancelled(containerd: Containerd) -> None:
    listening = asyncio.create_task(_first(containerd))
    await containerd.version()
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    await containerd.version()


async def test_no_snapshotter() -> None:
    names = [f"io.containerd.snapshotter.v1.{name}" for name in ("overlayfs", "native")]
    with (
        private_containerd(disabled=names) as process,
        pytest.raises(errors.Unsupported, match="no usable snapshotter"),
    ):
        await Containerd.connect(process.socket)


async def test_namespaces(containerd: Containerd) -> None:
    assert await containerd.create_namespace("kt-names", {"kukeon.io/realm": "r"}) is True
    assert await containerd.create_namespace("kt-names", {"kukeon.io/realm": "other"}) is False
    assert await containerd.namespace_exists("kt-names")
    found = {record.name: record for record in await containerd.list_namespaces()}
    assert found["kt-names"].labels == {"kukeon.io/realm": "r"}
    with pytest.raises(errors.NamespaceAlreadyExists, match=r"^cannot create namespace 'kt-names': "):
        await containerd.namespaces.create("kt-names")
    assert await containerd.delete_namespace("kt-names") is True
    assert await containerd.delete_namespace("kt-names") is False
    assert not await containerd.namespace_exists("kt-names")


async def test_lease_protects_what_nothing_else_holds(namespace: Namespaced) -> None:
    async with namespace.lease("test") as leased:
        kept = await leased.content.write(b"under a lease")
        await leased.snapshots.prepare("kept", "")
        lost = await namespace.content.write(b"under none")
        await namespace.snapshots.prepare("lost", "")
        await namespace.leases.collect_garbage()
        assert await namespace.content.exists(kept)
        assert not await namespace.content.exists(lost)
        assert [info.name for info in await namespace.snapshots.list()] == ["kept"]
    await namespace.leases.collect_garbage()
    assert await namespace.content.list() == ()
    assert await namespace.snapshots.list() == ()


async def test_lease_ends_with_its_block(namespace: Namespaced) -> None:
    async def fail() -> None:
        async with namespace.lease("fails"):
            (lease,) = await namespace.leases.list()
            assert lease.labels["kukeon.io/lease"] == "fails"
            assert lease.labels["containerd.io/gc.expire"]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await namespace.leases.list() == ()


async def test_lease_ends_when_its_task_is_cancelled(namespace: Namespaced) -> None:
    inside = asyncio.Event()

    async def hold() -> None:
        async with namespace.lease("cancelled"):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await namespace.leases.list() == ()


async def test_lease_of_a_dead_process_expires(namespace: Namespaced) -> None:
    lease = await namespace.leases.create("dead", expires_s=-1)
    await namespace.leases.add(lease, "content", await namespace.content.write(b"orphan"))
    await namespace.leases.collect_garbage()
    assert await namespace.content.list() == ()
    assert lease not in [record.id for record in await namespace.leases.list()]


async def test_abandoned_leases_are_dropped(namespace: Namespaced, containerd_process: PrivateContainerd) -> None:
    await namespace.leases.create("left by a crash")
    containerd_process.ctr("leases", "create", "--id", "somebody-elses", namespace=namespace.name)
    assert await namespace.leases.drop_abandoned() == 1
    assert [lease.id for lease in await namespace.leases.list()] == ["somebody-elses"]


async def test_content(namespace: Namespaced) -> None:
    async with namespace.lease("test") as leased:
        data = bytes(range(256)) * 40
        digest = await leased.content.write(data, labels={"a": "1"})
        await leased.content.set_labels(digest, {"b": "2"})
        info = await leased.content.info(digest)
        assert (info.size, info.labels) == (len(data), {"a": "1", "b": "2"})
        assert await leased.content.write(data) == digest
        assert await leased.content.read(digest) == data
        assert await leased.content.read_range(digest, 255, 3) == b"\xff\x00\x01"
        with pytest.raises(errors.Invalid, match="more than 100 bytes"):
            await leased.content.read(digest, limit_bytes=100)
        assert (
            await leased.content.write(b"")
            == f"sha256:{'e3b0c44298fc1c149afbf4c8996fb924'}27ae41e4649b934ca495991b7852b855"
        )
        assert await leased.content.delete(digest) is True
        assert await leased.content.delete(digest) is False
        with pytest.raises(errors.NotFound, match="cannot read blob"):
            await leased.content.read(digest)


async def test_refused_write_leaves_nothing(namespace: Namespaced) -> None:
    async def source(fails: bool) -> AsyncIterator[bytes]:
        yield b"x" * 100
        if fails:
            raise RuntimeError

    content = namespace.content
    with pytest.raises(errors.Conflict, match="unexpected commit digest"):
        await content.write_stream(source(False), size=100, expected=f"sha256:{'1' * 64}")
    with pytest.raises(errors.Conflict):
        await content.write_stream(source(False), size=99)
    with pytest.raises(RuntimeError):
        await content.write_stream(source(True), size=100)
    assert await content.ingests() == ()
    assert await content.list() == ()


async def test_snapshots(namespace: Namespaced) -> None:
    async with namespace.lease("test") as leased:
        mounts = await leased.snapshots.prepare("low-", "")
        assert mounts == await leased.snapshots.mounts("low-")
        with pytest.raises(errors.AlreadyExists):
            await leased.snapshots.prepare("low-", "")
        await leased.snapshots.commit("low", "low-", {"kukeon.io/x": "y"})
        await leased.snapshots.prepare("high", "low")
        await leased.snapshots.view("look", "low")
        found = {info.name: info for info in await leased.snapshots.list()}
        assert {name: info.kind for name, info in found.items()} == {
            "low": "committed",
            "high": "active",
            "look": "view",
        }
        assert found["high"].parent == "low"
        assert found["low"].labels["kukeon.io/x"] == "y"
        assert (await leased.snapshots.usage("high")).inodes >= 1
        with pytest.raises(errors.Conflict):
            await leased.snapshots.remove("low")
        with pytest.raises(errors.NotFound):
            await leased.snapshots.prepare("orphan", "nothing")
        for name in ("look", "high", "low"):
            assert await leased.snapshots.remove(name) is True
        assert await leased.snapshots.remove("low") is False
        assert await leased.snapshots.find("low") is None


async def test_namespace_with_everything_in_it_is_drained(containerd: Containerd) -> None:
    name = "kt-drain"
    await containerd.create_namespace(name)
    namespace = containerd.with_namespace(name)
    await namespace.leases.create("never ended")
    blob = await namespace.content.write(b"{}", labels={"containerd.io/gc.root": "x"})
    info = await namespace.content.info(blob)
    await namespace.images.create_or_update("image:1", Descriptor("application/x", info.digest, info.size))
    parent = ""
    for level in range(5):
        await namespace.snapshots.prepare(f"key-{level}", parent, {"containerd.io/gc.root": "x"})
        await namespace.snapshots.commit(f"level-{level}", f"key-{level}", {"containerd.io/gc.root": "x"})
        parent = f"level-{level}"
    await namespace.containers.create("last", spec={})
    with pytest.raises(errors.Conflict, match="still has containers: last"):
        await containerd.drain_namespace(name)
    await namespace.containers.delete("last")
    with pytest.raises(errors.Conflict):
        await containerd.namespaces.delete(name)
    await containerd.drain_namespace(name)
    await containerd.drain_namespace(name)
    assert await containerd.delete_namespace(name) is True
