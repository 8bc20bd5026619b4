"""The verbs of `Runner` for the host, realms, spaces and stacks on this machine; containerd's client is the witness."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from runner_place import CELL, LABELS, MAIN, Place, alive, cell, cgroups, realm, remove_cgroup, space, stack, there

from kukeon_api import errors, model
from kukeon_runner.host import mounts

if TYPE_CHECKING:
    from kukeon_runner.testing.containerd import PrivateContainerd

pytestmark = pytest.mark.host


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
