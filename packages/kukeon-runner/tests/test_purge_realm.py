"""Purge of a realm: its namespace, its networks, and images that are on their way into it."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from purging import document, everything, purge

from kukeon_api import errors, labels, model
from kukeon_runner.runner import uploads
from kukeon_runner.testing.cells import controller, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_realm_that_cannot_be_read_is_not_purged_but_can_be_deleted(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before = everything(host)
    (tmp_path / "data/default/metadata.json").write_text("{")
    fresh = controller(host, tmp_path)
    with pytest.raises(errors.CorruptMetadata, match=r"data/default/metadata\.json"):
        await purge(fresh, "realm")
    assert everything(host) == before
    await fresh.delete_realm(document("realm"), False, True)
    assert not host.containers.labels
    assert found is not fresh


async def test_a_realm_without_a_name(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    with pytest.raises(errors.RealmNameRequired):
        await purge(found, "realm", "")


async def test_a_namespace_that_stays_is_an_error_and_the_realm_stays_known(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)

    async def stays(_: str) -> None:
        raise errors.Conflict("it still has containers")

    host.containers.delete_namespace = stays  # type: ignore[method-assign]
    with pytest.raises(errors.DeleteRealm, match="namespace") as caught:
        await purge(found, "realm")
    assert "it still has containers" in caught.value.hint
    assert found.runner.realms.find(model.Ref("default")) is not None
    del host.containers.delete_namespace  # type: ignore[attr-defined]
    assert (await purge(found, "realm")).purge_succeeded


async def test_a_namespace_that_is_gone_already_is_told_as_removed(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    host.containers.labels.clear()
    gone = await purge(found, "realm")
    assert (gone.namespace_removed, "namespace" in gone.deleted) == (True, False)


async def test_trouble_with_other_things_than_the_namespace_is_a_warning(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)

    async def refuses(path: str) -> None:
        raise errors.HostError(f"cannot remove cgroup {path!r}: busy")

    host.kernel.remove_cgroup = refuses  # type: ignore[method-assign]
    gone = await purge(found, "realm")
    assert (gone.namespace_removed, gone.purge_succeeded, gone.realm_deleted) == (True, False, False)
    assert any("busy" in each for each in gone.warnings)
    assert found.runner.realms.find(model.Ref("default")) is not None
    with pytest.raises(errors.DeleteSpace, match="cgroup") as caught:
        await purge(found, "space")
    assert "busy" in caught.value.hint


async def test_a_lost_realm_with_a_namespace_of_its_own_choice_is_found_by_its_label(tmp_path: Path) -> None:
    host = FakeHost()
    found = controller(host, tmp_path)
    await found.create_realm(
        model.RealmDoc(metadata=model.Metadata(name="own"), spec=model.RealmSpec(namespace="chosen.by-user"))
    )
    host.containers.labels["not-ours"] = {labels.CONTAINERD_REALM: "own", labels.CONTAINERD_INSTANCE: "01234567"}
    shutil.rmtree(tmp_path / "data/own")
    gone = await purge(controller(host, tmp_path), "realm", "own", cascade=False)
    assert (gone.deleted, set(gone.purged)) == ((), {"namespace", "cgroup"})
    assert set(host.containers.labels) == {"not-ours"}


async def test_a_network_whose_space_is_lost_goes_with_the_realm(tmp_path: Path) -> None:
    host = FakeHost()
    before = everything(host)
    found = await prepared(host, tmp_path)
    await found.create_space(document("space", "second"))
    host.images.present.clear()
    shutil.rmtree(tmp_path / "data/default/second")
    host.network.bridges["k-others"] = next(iter(host.network.bridges.values()))
    gone = await purge(controller(host, tmp_path), "realm")
    assert "cni-resources" in gone.purged
    assert set(host.network.bridges) == {"k-others"}
    del host.network.bridges["k-others"]
    assert everything(host) == before


async def test_an_image_that_is_being_loaded_keeps_its_realm(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    begun, rest = asyncio.Event(), asyncio.Event()

    async def chunks() -> Any:
        yield b"docker.io/library/late"
        begun.set()
        await rest.wait()
        yield b":1"

    loading = asyncio.create_task(found.load_image("default", chunks()))
    await begun.wait()
    for verb in (found.delete_realm, found.purge_realm):
        with pytest.raises(errors.Conflict, match="being loaded"):
            await verb(document("realm"), False, True)
    await found.create_space(document("space", "meanwhile"))
    rest.set()
    assert (await loading).images == ("docker.io/library/late:1",)
    await found.delete_realm(document("realm"), False, True)
    with pytest.raises(errors.RealmNotFound):
        await found.load_image("default", chunks())


@pytest.mark.parametrize("verb", ["delete_realm", "purge_realm"])
async def test_an_upload_that_hangs_does_not_keep_its_realm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    found = await prepared(FakeHost(), tmp_path)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def chunks() -> Any:
        try:
            yield b"docker.io/library/late"
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    loading = asyncio.create_task(found.load_image("default", chunks()))
    await begun.wait()
    with pytest.raises(errors.ResourceHasDependencies):
        await getattr(found, verb)(document("realm"), False, False)
    with pytest.raises(errors.Conflict, match="being loaded"):
        await getattr(found, verb)(document("realm"), False, True)
    assert not loading.done()
    monkeypatch.setattr(uploads, "SILENT_S", 0.0)
    await getattr(found, verb)(document("realm"), False, True)
    with pytest.raises(errors.Conflict, match="the realm is being removed"):
        await loading
    assert ended.is_set()


async def test_of_an_upload_that_is_refused_nothing_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)

    async def refuse(namespace: str, chunks: Any, platform: str = "") -> Any:
        await anext(chunks)
        raise errors.InvalidArchive("cannot load the archive: it is none")

    async def chunks() -> Any:
        while True:
            yield b"more"

    monkeypatch.setattr(host.images, "load", refuse)
    before = asyncio.all_tasks()
    with pytest.raises(errors.InvalidArchive):
        await found.load_image("default", chunks())
    assert not asyncio.all_tasks() - before


async def test_a_namespace_that_another_realm_chose_is_not_taken_for_that_of_one_that_never_was(tmp_path: Path) -> None:
    host = FakeHost()
    found = controller(host, tmp_path)
    await found.create_realm(
        model.RealmDoc(metadata=model.Metadata(name="first"), spec=model.RealmSpec(namespace="second.kukeon.io"))
    )
    for lost in (False, True):
        if lost:
            shutil.rmtree(tmp_path / "data/first")
        fresh = controller(host, tmp_path)
        with pytest.raises(errors.Conflict, match=r"second\.kukeon\.io"):
            await purge(fresh, "realm", "second")
        assert set(host.containers.labels) == {"second.kukeon.io"}
    assert (await purge(fresh, "realm", "first")).namespace_removed
    assert not host.containers.labels
