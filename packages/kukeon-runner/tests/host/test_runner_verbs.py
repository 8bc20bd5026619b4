"""Every verb of `Runner` on this machine, with containerd, networks and cgroups; containerd's client is the witness."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from kukeon_api import errors, model
from kukeon_runner import Options, ReconcileOutcome, instance, open_runner, removal
from kukeon_runner.host import mounts
from kukeon_runner.layout import Layout
from kukeon_runner.testing.archives import chunks_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kukeon_runner import Runner
    from kukeon_runner.testing.containerd import PrivateContainerd

pytestmark = pytest.mark.host

PATIENCE_S = 60.0
IMAGE = "docker.io/library/busybox:latest"
SERVES = ("-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done")
LABELS = {"tier": "front"}

CELL = model.Ref("lab", "net", "tier", "web")
ROOT, MAIN, SIDE = "net_tier_web_root", "net_tier_web_main", "net_tier_web_side"


def metadata(name: str, labels: dict[str, str] | None = None, generation: int = 0) -> model.Metadata:
    return model.Metadata(name=name, labels=labels or {}, generation=generation)


def realm(labels: dict[str, str] | None = None, generation: int = 0, **spec: object) -> model.RealmDoc:
    return model.RealmDoc(metadata=metadata("lab", labels, generation), spec=model.RealmSpec(**spec))


def space(labels: dict[str, str] | None = None, **spec: object) -> model.SpaceDoc:
    return model.SpaceDoc(metadata=metadata("net", labels), spec=model.SpaceSpec(realm_id="lab", **spec))


def stack(labels: dict[str, str] | None = None) -> model.StackDoc:
    return model.StackDoc(metadata=metadata("tier", labels), spec=model.StackSpec(realm_id="lab", space_id="net"))


def container(id: str = "main", args: tuple[str, ...] = SERVES, **more: object) -> model.ContainerSpec:
    return model.ContainerSpec(id=id, image=IMAGE, command="/bin/sh", args=args, **more)


def cell(*containers: model.ContainerSpec, labels: dict[str, str] | None = None) -> model.CellDoc:
    spec = model.CellSpec(realm_id="lab", space_id="net", stack_id="tier", containers=containers or (container(),))
    return model.CellDoc(metadata=metadata("web", labels), spec=spec)


def there(*parts: str | Path) -> bool:
    return Path(*parts).exists()


def cgroups(path: str) -> list[Path]:
    """The directories of a cgroup, in each hierarchy that this host has, innermost first."""
    return sorted(Path("/sys/fs/cgroup").glob(f"**{path}"), reverse=True)


def alive(pid: int) -> bool:
    return there("/proc", str(pid))


def remove_cgroup(path: str) -> None:
    for each in cgroups(path):
        each.rmdir()


@dataclasses.dataclass
class Place:
    """An instance on the private containerd, and what it has there, seen without its help."""

    runner: Runner
    options: Options
    containerd: PrivateContainerd

    @property
    def layout(self) -> Layout:
        found = instance.find_instance(self.options.run_path)
        assert found is not None
        return Layout(found)

    @property
    def namespace(self) -> str:
        return self.layout.namespace("lab")

    def namespaces(self) -> set[str]:
        return set(self.containerd.ctr("namespaces", "ls", "-q").split())

    def records(self) -> set[str]:
        return set(self.containerd.ctr("containers", "ls", "-q", namespace=self.namespace).split())

    def tasks(self) -> dict[str, int]:
        """The process of each running task."""
        rows = [line.split() for line in self.containerd.ctr("tasks", "ls", namespace=self.namespace).splitlines()[1:]]
        return {id: int(pid) for id, pid, status in rows if status == "RUNNING"}

    def stored(self, ref: model.Ref) -> Path:
        return Path(self.options.run_path, "data", *ref.parts, "metadata.json")

    def cgroup(self, ref: model.Ref) -> bool:
        return bool(cgroups(self.layout.cgroup(ref)))

    async def ended(self, id: str) -> None:
        """Wait until containerd knows that a task has ended."""
        async with asyncio.timeout(PATIENCE_S):
            while id in self.tasks():  # noqa: ASYNC110 - what other processes do
                await asyncio.sleep(0.02)


@pytest.fixture
async def place(containerd_process: PrivateContainerd) -> AsyncIterator[Place]:
    """An empty instance."""
    name = f"kt-{secrets.token_hex(4)}"
    # Short, below /tmp: unix socket paths end at 107 bytes.
    home = Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp"))
    options = Options(
        run_path=str(home / "run"),
        containerd="system",
        containerd_socket=str(containerd_process.socket),
        namespace_suffix=f"{name}.local",
        cgroup_root=f"/{home.name}",
        pod_subnet=f"10.{secrets.choice(range(90, 120))}.0.0/16",
    )
    async with open_runner(options) as runner:
        yield Place(runner, options, containerd_process)
    await removal.uninstall(options)
    mounts.unmount_below(home)
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def archive(busybox_archive: Path) -> bytes:
    return busybox_archive.read_bytes()


@pytest.fixture
async def stage(place: Place, archive: bytes) -> Place:
    """An instance with realm, space, stack, and the image in the realm."""
    await place.runner.create_realm(realm())
    await place.runner.create_space(space())
    await place.runner.create_stack(stack())
    await place.runner.load_image(place.namespace, chunks_of(archive))
    return place


@pytest.mark.exercises(
    "Runner.bootstrap_cni", "Runner.ensure_kukeon_root_cgroup", "Runner.list_containerd_namespaces", "Runner.close"
)
async def test_the_host_is_made_ready(place: Place) -> None:
    report = await place.runner.bootstrap_cni()
    assert report.rows
    assert there(place.layout.cni_cache)
    assert there(place.layout.cni_data)
    assert not any("plugin" in row.label and row.outcome == "missing" for row in report.rows)
    assert not (await place.runner.bootstrap_cni()).created

    assert await place.runner.ensure_kukeon_root_cgroup() == (False, True)
    assert cgroups(place.options.cgroup_root)
    assert await place.runner.ensure_kukeon_root_cgroup() == (True, False)

    place.containerd.ctr("namespaces", "create", "kt-somebody-elses")
    assert set(await place.runner.list_containerd_namespaces()) == place.namespaces()
    place.containerd.ctr("namespaces", "remove", "kt-somebody-elses")
    await place.runner.close()
    await place.runner.close()


@pytest.mark.exercises(
    "Runner.create_realm",
    "Runner.ensure_realm",
    "Runner.get_realm",
    "Runner.list_realms",
    "Runner.exists_realm_containerd_namespace",
    "Runner.exists_cgroup",
    "Runner.refresh_realm",
    "Runner.delete_realm",
    "Runner.purge_realm",
)
async def test_a_realm_comes_is_hurt_and_goes(place: Place) -> None:
    runner, ref = place.runner, model.Ref("lab")
    with pytest.raises(errors.RealmNotFound):
        await runner.get_realm(realm())
    made = await runner.create_realm(realm(LABELS))
    assert made.status.state is model.RealmState.READY
    assert await runner.get_realm(realm()) == made
    assert await runner.list_realms() == (made,)
    assert await runner.create_realm(realm({"tier": "other"})) == made
    assert there(place.stored(ref))
    assert place.namespace in place.namespaces()
    assert place.cgroup(ref)
    assert await runner.exists_realm_containerd_namespace(place.namespace)
    assert await runner.exists_cgroup(realm())

    place.containerd.ctr("namespaces", "remove", place.namespace)
    assert not await runner.exists_realm_containerd_namespace(place.namespace)
    hurt, changed = await runner.refresh_realm(realm())
    assert changed
    assert hurt.status.state is not model.RealmState.READY
    assert (hurt.spec, hurt.metadata) == (made.spec, made.metadata)
    assert place.namespace not in place.namespaces(), "a refresh repairs nothing"
    assert (await runner.refresh_realm(realm()))[1] is False
    assert (await runner.ensure_realm(realm())).status.state is model.RealmState.READY
    assert place.namespace in place.namespaces()

    await runner.create_space(space())
    with pytest.raises(errors.ResourceHasDependencies, match="1 space"):
        await runner.delete_realm(realm())
    await runner.delete_space(space())
    await runner.delete_realm(realm())
    assert not there(place.stored(ref))
    assert place.namespace not in place.namespaces()
    assert not place.cgroup(ref)
    with pytest.raises(errors.RealmNotFound):
        await runner.delete_realm(realm())
    assert await runner.purge_realm(realm()) is True, "gone already is gone"


@pytest.mark.exercises("Runner.update_realm", "Runner.update_realm_metadata")
async def test_a_realm_takes_labels_and_credentials(place: Place) -> None:
    runner = place.runner
    with pytest.raises(errors.RealmNotFound):
        await runner.update_realm(realm(LABELS))
    made = await runner.create_realm(realm())
    login = model.RegistryCredentials(username="ann", password="hunter2", server_address="registry.invalid")
    changed = await runner.update_realm(realm(LABELS, registry_credentials=(login,)))
    assert changed.metadata.labels.items() >= LABELS.items()
    (shown,) = changed.spec.registry_credentials
    assert (shown.username, shown.server_address, shown.password) == ("ann", "registry.invalid", "")
    assert "hunter2" not in place.stored(model.Ref("lab")).read_text()
    assert changed.metadata.generation > made.metadata.generation
    with pytest.raises(errors.BreakingChange):
        await runner.update_realm(realm(namespace="another.namespace"))
    with pytest.raises(errors.StaleResource):
        await runner.update_realm(realm({"tier": "stale"}, generation=1))
    labelled = await runner.update_realm_metadata(realm({"tier": "back"}))
    assert labelled.metadata.labels["tier"] == "back"
    assert labelled.spec == changed.spec


@pytest.mark.exercises("Runner.purge_realm")
async def test_a_realm_is_purged_with_everything_inside_and_without_its_documents(stage: Place) -> None:
    runner = stage.runner
    await runner.start_cell(await runner.create_cell(cell()))
    pids = stage.tasks().values()
    shutil.rmtree(stage.stored(model.Ref("lab")).parent)
    assert await runner.purge_realm(realm()) is True
    assert stage.namespace not in stage.namespaces()
    assert not stage.cgroup(model.Ref("lab"))
    assert not any(map(alive, pids))
    assert not [path for path in mounts.mounts_below(stage.layout.runtime_dir) if "/lab/" in path]


@pytest.mark.exercises(
    "Runner.create_space",
    "Runner.ensure_space",
    "Runner.get_space",
    "Runner.list_spaces",
    "Runner.update_space",
    "Runner.update_space_metadata",
    "Runner.exists_space_cni_config",
    "Runner.refresh_space",
    "Runner.delete_space",
    "Runner.purge_space",
)
async def test_a_space_comes_changes_and_goes(place: Place) -> None:
    runner, ref = place.runner, model.Ref("lab", "net")
    with pytest.raises(errors.RealmNotFound):
        await runner.create_space(space())
    await runner.create_realm(realm())
    assert not await runner.exists_space_cni_config(space())
    made = await runner.create_space(space())
    conflist = Path(place.layout.conflist(ref))
    assert there(conflist)
    bridge = Path("/sys/class/net", place.layout.bridge(ref))
    assert there(bridge)
    assert place.cgroup(ref)
    assert await runner.exists_cgroup(made)
    assert await runner.exists_space_cni_config(space())
    assert await runner.get_space(space()) == made
    assert await runner.list_spaces("lab") == await runner.list_spaces() == (made,)
    assert await runner.list_spaces("elsewhere") == ()

    defaults = model.SpaceDefaults(container=model.ContainerDefaults(user="1000"))
    changed = await runner.update_space(space(LABELS, defaults=defaults))
    assert changed.spec.defaults == defaults
    assert changed.metadata.labels.items() >= LABELS.items()
    labelled = await runner.update_space_metadata(space({"tier": "back"}))
    assert (labelled.metadata.labels["tier"], labelled.spec) == ("back", changed.spec)

    conflist.unlink()  # noqa: ASYNC240 - one name
    assert not await runner.exists_space_cni_config(space())
    hurt, rewritten = await runner.refresh_space(space())
    assert rewritten
    assert hurt.status.state is not model.SpaceState.READY
    assert not there(conflist), "a refresh repairs nothing"
    assert (await runner.ensure_space(space())).status.state is model.SpaceState.READY
    assert there(conflist)

    await runner.create_stack(stack())
    with pytest.raises(errors.ResourceHasDependencies, match="1 stack"):
        await runner.delete_space(space())
    await runner.delete_stack(stack())
    await runner.delete_space(space())
    assert not there(place.stored(ref))
    assert not there(conflist)
    assert not there(bridge)
    assert not place.cgroup(ref)
    await runner.purge_space(space())

    await runner.create_space(space())
    await runner.create_stack(stack())
    place.stored(ref).write_text("{")
    await runner.purge_space(space())
    assert not there(place.stored(ref).parent)
    assert not there(bridge)
    assert not place.cgroup(ref)


@pytest.mark.exercises(
    "Runner.create_stack",
    "Runner.ensure_stack",
    "Runner.get_stack",
    "Runner.list_stacks",
    "Runner.update_stack",
    "Runner.update_stack_metadata",
    "Runner.refresh_stack",
    "Runner.delete_stack",
    "Runner.purge_stack",
)
async def test_a_stack_comes_changes_and_goes(place: Place) -> None:
    runner, ref = place.runner, model.Ref("lab", "net", "tier")
    await runner.create_realm(realm())
    with pytest.raises(errors.SpaceNotFound):
        await runner.create_stack(stack())
    await runner.create_space(space())
    made = await runner.create_stack(stack())
    assert there(place.stored(ref))
    assert place.cgroup(ref)
    assert await runner.get_stack(stack()) == made
    assert await runner.list_stacks("lab", "net") == await runner.list_stacks() == (made,)
    assert await runner.list_stacks("lab", "elsewhere") == ()
    changed = await runner.update_stack(stack(LABELS))
    assert changed.metadata.labels.items() >= LABELS.items()
    assert (await runner.update_stack_metadata(stack({"tier": "back"}))).metadata.labels["tier"] == "back"

    remove_cgroup(place.layout.cgroup(ref))
    hurt, rewritten = await runner.refresh_stack(stack())
    assert rewritten
    assert hurt.status.state is not model.StackState.READY
    assert not await runner.exists_cgroup(stack())
    assert (await runner.ensure_stack(stack())).status.state is model.StackState.READY
    assert await runner.exists_cgroup(stack())

    await runner.create_cell(cell())
    with pytest.raises(errors.ResourceHasDependencies, match="1 cell"):
        await runner.delete_stack(stack())
    await runner.purge_stack(stack())
    assert not there(place.stored(ref).parent)
    assert not place.cgroup(ref)
    assert await runner.list_cells() == ()
    await runner.purge_stack(stack())
    await runner.create_stack(stack())
    await runner.delete_stack(stack())
    assert await runner.list_stacks() == ()


@pytest.mark.exercises(
    "Runner.create_cell",
    "Runner.ensure_cell",
    "Runner.get_cell",
    "Runner.list_cells",
    "Runner.start_cell",
    "Runner.stop_cell",
    "Runner.kill_cell",
    "Runner.exists_cell_root_container",
    "Runner.exists_container",
    "Runner.delete_cell",
    "Runner.purge_cell",
)
async def test_a_cell_lives(stage: Place) -> None:
    runner = stage.runner
    made = await runner.create_cell(cell())
    assert made.status.state is not model.CellState.READY
    assert stage.tasks() == {}, "create makes no process"
    assert not await runner.exists_cell_root_container(cell())
    started = await runner.start_cell(cell())
    assert started.status.state is model.CellState.READY
    tasks = stage.tasks()
    assert tasks.keys() == {ROOT, MAIN}
    assert await runner.exists_cell_root_container(cell())
    assert await runner.exists_container(stage.namespace, MAIN)
    assert not await runner.exists_container(stage.namespace, SIDE)
    assert await runner.exists_cgroup(cell())
    assert stage.cgroup(CELL)
    assert await runner.get_cell(cell()) == started
    assert await runner.list_cells("lab", "net", "tier") == await runner.list_cells() == (started,)
    assert await runner.list_cells("lab", "net", "elsewhere") == ()
    assert (await runner.start_cell(cell())).status.state is model.CellState.READY
    assert stage.tasks() == tasks

    assert (await runner.stop_cell(cell())).status.state is model.CellState.STOPPED
    assert stage.tasks() == {}
    assert MAIN in stage.records(), "a stopped cell keeps its records and what its programs wrote"
    assert (await runner.ensure_cell(cell())).status.state is model.CellState.STOPPED, "it is to be stopped"
    await runner.start_cell(cell())
    assert (await runner.kill_cell(cell())).status.state is model.CellState.STOPPED
    assert stage.tasks() == {}
    await runner.start_cell(cell())
    os.kill(stage.tasks()[MAIN], signal.SIGKILL)
    await stage.ended(MAIN)
    assert (await runner.ensure_cell(cell())).status.state is model.CellState.READY
    assert stage.tasks().keys() == {ROOT, MAIN}

    await runner.delete_cell(cell())
    assert stage.records() == set()
    assert not stage.cgroup(CELL)
    assert not there(stage.stored(CELL))
    with pytest.raises(errors.CellNotFound):
        await runner.delete_cell(cell())
    await runner.purge_cell(cell())

    await runner.create_cell(cell())
    await runner.start_cell(cell())
    shutil.rmtree(stage.stored(CELL).parent)
    await runner.purge_cell(cell())
    assert stage.records() == set()
    assert not stage.cgroup(CELL)
    assert not there(stage.layout.runtime_dir, "ns/lab/net/tier/web")


@pytest.mark.exercises("Runner.update_cell", "Runner.update_cell_metadata", "Runner.recreate_cell")
async def test_a_cell_changes(stage: Place) -> None:
    runner = stage.runner
    await runner.create_cell(cell())
    await runner.start_cell(cell())
    before = stage.tasks()
    changed = await runner.update_cell(cell(container(), container("side"), labels=LABELS))
    assert changed.metadata.labels.items() >= LABELS.items()
    after = stage.tasks()
    assert after.keys() == {ROOT, MAIN, SIDE}
    assert after[MAIN] == before[MAIN], "what did not change runs on"
    changed = await runner.update_cell(cell(container(env=("A=1",)), labels=LABELS))
    now = stage.tasks()
    assert now.keys() == {ROOT, MAIN}, "orphans go"
    assert now[MAIN] != after[MAIN], "a change of its environment takes a new process"
    assert SIDE not in stage.records()
    labelled = await runner.update_cell_metadata(cell(labels={"tier": "back"}))
    assert (labelled.metadata.labels["tier"], labelled.spec) == ("back", changed.spec)
    assert stage.tasks() == now
    again = await runner.recreate_cell(cell(container(env=("A=2",))))
    assert again.status.state is model.CellState.READY
    assert again.spec.containers[0].env == ("A=2",)
    assert set(stage.tasks().values()).isdisjoint(now.values())


@pytest.mark.exercises(
    "Runner.refresh_cell",
    "Runner.reconcile_cell",
    "Runner.populate_and_persist_cell_container_statuses",
    "Runner.get_container_state",
    "ReconcileOutcome",
)
async def test_a_cell_is_looked_at(stage: Place) -> None:
    runner = stage.runner
    await runner.create_cell(cell(container(), container("side")))
    await runner.start_cell(cell())
    assert await runner.reconcile_cell(cell()) == (await runner.get_cell(cell()), ReconcileOutcome())
    assert await runner.get_container_state(cell(), "main") is model.ContainerState.READY
    with pytest.raises(errors.ContainerNotFound):
        await runner.get_container_state(cell(), "nobody")

    tasks = stage.tasks()
    stage.containerd.ctr("tasks", "kill", "--signal", "SIGKILL", MAIN, namespace=stage.namespace)
    await stage.ended(MAIN)
    seen, count = await runner.refresh_cell(cell())
    assert count == 1
    assert {each.name: each.exit_code for each in seen.status.containers} == {"main": 137, "side": None}
    assert await runner.refresh_cell(cell()) == (seen, 0)
    assert await runner.get_container_state(cell(), "main") is model.ContainerState.ERROR
    assert stage.tasks().keys() == {ROOT, SIDE}, "a refresh starts nothing"
    stage.containerd.ctr("tasks", "pause", SIDE, namespace=stage.namespace)
    paused = await runner.populate_and_persist_cell_container_statuses(cell())
    assert {each.name: each.state for each in paused.status.containers}["side"] is model.ContainerState.PAUSED
    assert await runner.get_cell(cell()) == paused, "it is stored"
    stage.containerd.ctr("tasks", "resume", SIDE, namespace=stage.namespace)
    await runner.populate_and_persist_cell_container_statuses(cell())

    os.kill(tasks[ROOT], signal.SIGKILL)
    await stage.ended(ROOT)
    healed, outcome = await runner.reconcile_cell(cell())
    assert outcome.deleted is False
    assert stage.tasks().keys() == {ROOT, SIDE}, "what a running cell owes its workloads is made anew"
    assert stage.tasks()[SIDE] == tasks[SIDE]
    assert await runner.get_cell(cell()) == healed


@pytest.mark.exercises("Runner.reconcile_cell", "ReconcileOutcome")
async def test_a_cell_that_is_over_is_wound_down_or_goes(stage: Place) -> None:
    runner = stage.runner
    await runner.create_cell(cell(container(args=("-c", "exit 3"))))
    await runner.start_cell(cell())
    await stage.ended(MAIN)
    over, outcome = await runner.reconcile_cell(cell())
    assert (over.status.state, outcome) == (model.CellState.ERROR, ReconcileOutcome(updated=True))
    assert over.status.containers[0].exit_code == 3
    assert stage.tasks() == {}, "no root container holds the cell open"
    assert MAIN in stage.records()
    assert await runner.reconcile_cell(cell()) == (over, ReconcileOutcome())
    await runner.delete_cell(cell())

    doc = cell(container(args=("-c", "exit 3")))
    doc = msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, auto_delete=True))
    await runner.create_cell(doc)
    await runner.start_cell(doc)
    await stage.ended(MAIN)
    assert (await runner.reconcile_cell(doc))[1] == ReconcileOutcome(deleted=True)
    assert stage.records() == set()
    assert not stage.cgroup(CELL)
    with pytest.raises(errors.CellNotFound):
        await runner.get_cell(doc)


@pytest.mark.exercises("Runner.start_container")
async def test_a_container_that_an_operator_starts_in_vain_ends_its_cell(stage: Place) -> None:
    runner = stage.runner
    program = Path(stage.options.run_path).parent / "program"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    volume = model.VolumeMount(source=str(program), target="/program", read_only=True)
    side = model.ContainerSpec(id="side", image=IMAGE, command="/program", volumes=(volume,))
    await runner.create_cell(cell(container(), side))
    await runner.start_cell(cell())
    await runner.stop_container(cell(), "side")
    assert stage.tasks().keys() == {ROOT, MAIN}
    program.chmod(0o644)
    with pytest.raises(errors.StartContainer, match="side"):
        await runner.start_container(cell(), "side")
    failed = await runner.get_cell(cell())
    assert (failed.status.state, failed.status.reason) == (model.CellState.FAILED, "StartContainerFailed")
    assert stage.tasks() == {}
    program.chmod(0o755)
    assert (await runner.start_cell(cell())).status.state is model.CellState.READY
    assert stage.tasks().keys() == {ROOT, MAIN, SIDE}


@pytest.mark.exercises(
    "Runner.create_container",
    "Runner.ensure_container",
    "Runner.update_container",
    "Runner.start_container",
    "Runner.stop_container",
    "Runner.kill_container",
    "Runner.delete_container",
    "Runner.purge_container",
    "Runner.list_containers",
    "Runner.extract_containers_from_cells",
)
async def test_containers_of_a_cell_live(stage: Place) -> None:
    runner = stage.runner
    with pytest.raises(errors.CellNotFound):
        await runner.create_container(cell(), container("side"))
    await runner.create_cell(cell())
    await runner.start_cell(cell())
    main = stage.tasks()[MAIN]
    grown = await runner.create_container(cell(), container("side"))
    assert [each.id for each in grown.spec.containers] == ["main", "side"]
    assert stage.tasks().keys() == {ROOT, MAIN, SIDE}
    side = stage.tasks()[SIDE]
    assert await runner.ensure_container(cell(), container("side")) == await runner.get_cell(cell())
    assert stage.tasks()[SIDE] == side
    listed = await runner.list_containers("lab", "net", "tier", "web")
    assert listed == runner.extract_containers_from_cells(await runner.list_cells())
    assert [each.id for each in listed] == ["main", "side"]
    assert await runner.list_containers(cell_name="elsewhere") == ()

    await runner.stop_container(cell(), "side")
    assert stage.tasks().keys() == {ROOT, MAIN}
    await runner.start_container(cell(), "side")
    assert stage.tasks().keys() == {ROOT, MAIN, SIDE}
    await runner.kill_container(cell(), "side")
    assert stage.tasks().keys() == {ROOT, MAIN}
    assert SIDE in stage.records()
    with pytest.raises(errors.RootContainerRefused):
        await runner.stop_container(cell(), "root")
    with pytest.raises(errors.ContainerNotFound):
        await runner.start_container(cell(), "nobody")
    with pytest.raises(errors.ContainerNotFound):
        await runner.update_container(cell(), container("nobody"))

    await runner.start_container(cell(), "side")
    changed = await runner.update_container(cell(), container("side", env=("A=1",)))
    assert changed.spec.containers[1].env == ("A=1",)
    again = stage.tasks()[SIDE]
    assert again != side
    changed = await runner.update_container(cell(), container("side", env=("A=1",), restart_policy="always"))
    assert changed.spec.containers[1].restart_policy == "always"
    assert stage.tasks()[SIDE] == again, "what no process is made of changes without a new one"
    await runner.delete_container(cell(), "side")
    assert SIDE not in stage.records()
    assert [each.id for each in (await runner.get_cell(cell())).spec.containers] == ["main"]
    with pytest.raises(errors.ContainerNotFound):
        await runner.delete_container(cell(), "side")
    await runner.purge_container(cell(), "side")
    assert stage.tasks()[MAIN] == main, "nothing of that concerned the other container"

    await runner.ensure_container(cell(), container("side"))
    assert stage.tasks().keys() == {ROOT, MAIN, SIDE}
    await runner.purge_container(cell(), "side")
    assert SIDE not in stage.records()
    assert [each.id for each in (await runner.get_cell(cell())).spec.containers] == ["main"]


@pytest.mark.exercises("Runner.load_image", "Runner.list_images", "Runner.get_image", "Runner.delete_image")
async def test_images_of_a_namespace(place: Place, archive: bytes) -> None:
    runner = place.runner
    await runner.create_realm(realm())
    assert await runner.list_images(place.namespace) == ()
    with pytest.raises(errors.ImageNotFound):
        await runner.get_image(place.namespace, IMAGE)
    assert await runner.load_image(place.namespace, chunks_of(archive)) == (IMAGE,)
    assert IMAGE in place.containerd.ctr("images", "ls", "-q", namespace=place.namespace).split()
    (listed,) = await runner.list_images(place.namespace)
    found = await runner.get_image(place.namespace, "busybox")
    # One is described in full, of many what a table shows.
    assert found.config is not None
    assert [layer.digest for layer in found.layers]
    assert msgspec.structs.replace(found, layers=(), config=None) == listed
    assert (found.name, found.size > 0, found.digest.startswith("sha256:")) == (IMAGE, True, True)
    with pytest.raises(errors.InvalidArchive):
        await runner.load_image(place.namespace, chunks_of(b"no archive"))
    await runner.delete_image(place.namespace, "busybox")
    assert IMAGE not in place.containerd.ctr("images", "ls", "-q", namespace=place.namespace).split()
    with pytest.raises(errors.ImageNotFound):
        await runner.delete_image(place.namespace, "busybox")


@pytest.mark.exercises("Options", "ContainerIDMinimumParts")
async def test_options_decide_where_everything_is(stage: Place, containerd_process: PrivateContainerd) -> None:
    """All names that are seen outside come from the options, and none has to be taken apart to know whose it is."""
    assert stage.containerd is containerd_process
    await stage.runner.create_cell(cell())
    await stage.runner.start_cell(cell())
    assert stage.namespace == f"lab.{stage.options.namespace_suffix}"
    assert stage.stored(CELL).is_relative_to(stage.options.run_path)
    assert stage.layout.cgroup(CELL).startswith(f"{stage.options.cgroup_root}/")
    network = (await stage.runner.get_cell(cell())).status.network
    assert network is not None
    assert network.address.startswith(stage.options.pod_subnet.split(".0.0/")[0])
    info = stage.containerd.ctr("containers", "info", MAIN, namespace=stage.namespace)
    for key, value in (("realm", "lab"), ("space", "net"), ("stack", "tier"), ("cell", "web")):
        assert f'{key}": "{value}"' in info, "a container's place stands in its labels"
