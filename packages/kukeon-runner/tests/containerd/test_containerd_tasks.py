"""Containers and tasks on a real containerd: from a record to an exit code."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kukeon_api import errors
from kukeon_runner.host.containerd.archive import import_archive
from kukeon_runner.host.containerd.client import Containerd, Namespaced
from kukeon_runner.host.containerd.containers import Runtime
from kukeon_runner.host.containerd.tasks import TaskStatus

pytestmark = pytest.mark.host

BUSYBOX = "docker.io/library/busybox:latest"


async def chunks(path: Path, size: int = 65536):
    with path.open("rb") as file:
        while data := file.read(size):
            yield data


def minimal_spec(*args: str, cgroup: str) -> dict[str, Any]:
    return {
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": list(args), "env": ["PATH=/bin"], "cwd": "/"},
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")],
        },
    }


@pytest.fixture
async def loaded(namespace: Namespaced, busybox_archive: Path) -> Namespaced:
    await import_archive(namespace, chunks(busybox_archive))
    return namespace


async def make(namespace: Namespaced, id_: str, *args: str, labels: Mapping[str, str] | None = None) -> None:
    image = await namespace.resolve(BUSYBOX)
    async with namespace.lease("test") as leased:
        await leased.snapshots.prepare(id_, image.chain_id)
        await leased.containers.create(
            id_,
            spec=minimal_spec(*args, cgroup=f"/{namespace.name}/{id_}"),
            image=BUSYBOX,
            snapshot_key=id_,
            labels=labels,
        )


async def run(namespace: Namespaced, id_: str, **streams: str) -> int:
    mounts = await namespace.snapshots.mounts(id_)
    await namespace.tasks.create(id_, mounts=mounts, **streams)
    return await namespace.tasks.start(id_)


async def test_exit_code_and_output(loaded: Namespaced, tmp_path: Path) -> None:
    log = tmp_path / "log"
    await make(loaded, "one", "sh", "-c", "echo out; exit 7")
    await run(loaded, "one", stdout=f"file://{log}", stderr=f"file://{log}")
    ended = await loaded.tasks.wait("one")
    assert ended.code == 7
    assert ended.at is not None
    state = await loaded.tasks.get("one")
    assert (state.status, state.exit_code) == (TaskStatus.STOPPED, 7)
    assert await loaded.tasks.delete("one") == ended
    # Only when the task is deleted has the shim copied everything.
    assert log.read_text() == "out\n"
    assert await loaded.tasks.find("one") is None


async def test_states_from_created_to_killed(loaded: Namespaced) -> None:
    await make(loaded, "one", "sleep", "1000")
    created = await loaded.tasks.create("one", mounts=await loaded.snapshots.mounts("one"))
    state = await loaded.tasks.get("one")
    assert (state.status, state.pid) == (TaskStatus.CREATED, created)
    assert await loaded.tasks.start("one") == created
    (listed,) = await loaded.tasks.list()
    assert (listed.id, listed.status, listed.pid) == ("one", TaskStatus.RUNNING, created)
    assert await loaded.tasks.pids("one") == (created,)
    waiting = asyncio.create_task(loaded.tasks.wait("one"))
    with pytest.raises(errors.Conflict, match="cannot delete task 'one'"):
        await loaded.tasks.delete("one")
    await loaded.tasks.kill("one", signal.SIGKILL)
    assert (await waiting).code == 128 + signal.SIGKILL
    with pytest.raises(errors.TaskNotFound):
        await loaded.tasks.kill("one", signal.SIGKILL)
    assert (await loaded.tasks.delete("one")).code == 128 + signal.SIGKILL
    for gone in (loaded.tasks.get("one"), loaded.tasks.delete("one"), loaded.tasks.kill("one", 15)):
        with pytest.raises(errors.TaskNotFound):
            await gone
    with pytest.raises(errors.TaskNotFound):
        await loaded.tasks.wait("one")


async def test_a_task_that_never_started_can_be_deleted(loaded: Namespaced) -> None:
    await make(loaded, "one", "true")
    await loaded.tasks.create("one", mounts=await loaded.snapshots.mounts("one"))
    await loaded.tasks.delete("one")
    assert await loaded.tasks.find("one") is None


async def test_second_task_is_refused(loaded: Namespaced) -> None:
    await make(loaded, "one", "sleep", "1000")
    await run(loaded, "one")
    with pytest.raises(errors.AlreadyExists, match="cannot create task 'one'"):
        await loaded.tasks.create("one", mounts=await loaded.snapshots.mounts("one"))


async def test_program_that_is_not_there(loaded: Namespaced) -> None:
    await make(loaded, "one", "/bin/no-such-program")
    with pytest.raises(errors.HostError, match="no-such-program"):
        await run(loaded, "one")


async def test_task_without_container(namespace: Namespaced) -> None:
    with pytest.raises(errors.ContainerNotFound, match="cannot create task 'none'"):
        await namespace.tasks.create("none")


async def test_records(loaded: Namespaced) -> None:
    await make(loaded, "b", "true", labels={"kukeon.io/cell": "web", "kukeon.io/realm": "r"})
    await make(loaded, "a", "true", labels={"kukeon.io/cell": 'od"d\\'})
    assert [record.id for record in await loaded.containers.list()] == ["a", "b"]
    assert [record.id for record in await loaded.containers.list({"kukeon.io/cell": "web"})] == ["b"]
    assert [record.id for record in await loaded.containers.list({"kukeon.io/cell": 'od"d\\'})] == ["a"]
    assert await loaded.containers.list({"kukeon.io/cell": "web", "kukeon.io/realm": "x"}) == ()
    record = await loaded.containers.get("b")
    assert record.image == BUSYBOX
    assert record.snapshot_key == "b"
    assert record.spec["process"]["args"] == ["true"]
    assert record.created_at is not None
    changed = await loaded.containers.update("b", spec={**record.spec, "ociVersion": "1.0.0"}, labels={"only": "this"})
    assert changed.spec["ociVersion"] == "1.0.0"
    assert changed.labels == {"only": "this"}
    assert (changed.image, changed.snapshot_key) == (BUSYBOX, "b")
    with pytest.raises(errors.ContainerExists):
        await make_record(loaded, "b")
    assert await loaded.containers.delete("b") is True
    assert await loaded.containers.delete("b") is False
    assert await loaded.containers.find("b") is None
    with pytest.raises(errors.ContainerNotFound, match="cannot get container 'b' in namespace"):
        await loaded.containers.get("b")


async def make_record(namespace: Namespaced, id_: str) -> None:
    await namespace.containers.create(id_, spec=minimal_spec("true", cgroup="/x"))


async def test_runtime_options(loaded: Namespaced, tmp_path: Path) -> None:
    """runc's state goes where the record says, and an absent runtime is reported."""
    image = await loaded.resolve(BUSYBOX)
    async with loaded.lease("test") as leased:
        for id_, runtime in (("one", Runtime(root=str(tmp_path))), ("two", Runtime(binary="/no/such/runc"))):
            await leased.snapshots.prepare(id_, image.chain_id)
            spec = minimal_spec("sleep", "1000", cgroup=f"/{loaded.name}/{id_}")
            await leased.containers.create(id_, spec=spec, snapshot_key=id_, runtime=runtime)
    await run(loaded, "one")
    assert [path.name for path in await asyncio.to_thread(lambda: [*(tmp_path / loaded.name).iterdir()])] == ["one"]
    with pytest.raises(errors.HostError, match="no/such/runc"):
        await run(loaded, "two")


async def test_same_id_in_two_namespaces(loaded: Namespaced, containerd: Containerd) -> None:
    other = containerd.with_namespace(f"{loaded.name}-other")
    await containerd.create_namespace(other.name)
    await make_record(loaded, "one")
    await make_record(other, "one")
    await other.containers.delete("one")
    assert await loaded.containers.find("one") is not None
    await containerd.drain_namespace(other.name)
    assert await containerd.delete_namespace(other.name) is True


async def test_events_tell_exits(loaded: Namespaced, containerd: Containerd) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []

    async def listen() -> None:
        async for event in containerd.subscribe([f"namespace=={loaded.name}"]):
            seen.append((event.topic, dict(event.fields)))
            assert event.namespace == loaded.name
            assert event.at is not None
            if event.topic == "/tasks/exit":
                return

    listening = asyncio.create_task(listen())
    while not seen:
        # The subscription begins some time after the call: make noise until it is heard.
        await make_record(loaded, "noise")
        await loaded.containers.delete("noise")
    await make(loaded, "one", "sh", "-c", "exit 3")
    pid = await run(loaded, "one")
    async with asyncio.timeout(20):
        await listening
    topics = [topic for topic, _ in seen]
    assert topics.index("/tasks/start") < topics.index("/tasks/exit")
    fields = dict(seen)["/tasks/exit"]
    assert (fields["container_id"], fields["id"], fields["pid"], fields["exit_status"]) == ("one", "one", pid, 3)
    assert fields["exited_at"] is not None
