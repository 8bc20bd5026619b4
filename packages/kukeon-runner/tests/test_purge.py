"""Purge: nothing is left, whatever was known."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, labels, model
from kukeon_runner.runner import uploads
from kukeon_runner.testing.cells import NAMESPACE, cell, controller, prepared
from kukeon_runner.testing.host import Failure, FakeHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kukeon_runner.controller import Controller

KINDS = ["realm", "space", "stack"]


def document(kind: str, name: str = "default") -> Any:
    metadata = model.Metadata(name=name)
    match kind:
        case "realm":
            return model.RealmDoc(metadata=metadata)
        case "space":
            return model.SpaceDoc(metadata=metadata, spec=model.SpaceSpec(realm_id="default"))
        case _:
            spec = model.StackSpec(realm_id="default", space_id="default")
            return model.StackDoc(metadata=metadata, spec=spec)


async def purge(found: Controller, kind: str, name: str = "default", *, cascade: bool = True) -> Any:
    verb: Callable[..., Any] = getattr(found, f"purge_{kind}")
    return await verb(document(kind, name), False, cascade)


def everything(host: FakeHost) -> dict[str, object]:
    left = host.traces() | host.networks()
    left["cgroups"] = {path for path in host.kernel.cgroups if path != "/kukeon"}
    return left | {"conflists": [path for path in host.kernel.files if path.endswith("conflist")]}


def emptied(host: FakeHost, before: dict[str, object], kind: str) -> None:
    """Assert that nothing is left of the default hierarchy from `kind` down."""
    now = everything(host)
    assert (now["records"], now["tasks"], now["pins"], now["shms"]) == (set(), {}, {}, set())
    assert (now["snapshots"], now["attachments"]) == (set(), {})
    depth = KINDS.index(kind) + 1
    assert not [path for path in host.kernel.cgroups if path.startswith("/kukeon" + "/default" * depth)]
    if kind != "stack":
        assert (now["bridges"], now["firewall"], now["conflists"]) == ({}, set(), [])
    if kind == "realm":
        assert now == before


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    async def test_of_what_never_was_nothing_is_done(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        before = everything(host)
        for _ in range(2):
            gone = await purge(found, kind, "never", cascade=False)
            assert (gone.purge_succeeded, gone.deleted, gone.purged, gone.warnings) == (True, (), (), ())
            if kind == "realm":
                assert (gone.namespace_removed, gone.realm_deleted) == (True, False)
            else:
                assert (gone.metadata_deleted, gone.cgroup_deleted) == (False, False)
        assert everything(host) == before

    async def test_what_is_whole_goes_as_by_delete(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        before = everything(host)
        found = await prepared(host, tmp_path)
        host.images.present.clear()
        gone = await purge(found, kind)
        child = {"realm": ("space:default",), "space": ("stack:default",), "stack": ()}[kind]
        piece = {"realm": ("namespace",), "space": ("network",), "stack": ()}[kind]
        assert gone.deleted == (*child, "cgroup", *piece, "metadata")
        assert (gone.purged, gone.warnings, gone.purge_succeeded) == ((), (), True)
        emptied(host, before, kind)
        assert getattr(found.runner, f"{kind}s").find(model.ref_of(document(kind))) is None

    async def test_children_are_counted_and_kept(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        await found.create_cell(cell("one"))
        (tmp_path / "data/default/default/default/lost").mkdir()
        before = everything(host)
        many = {"realm": "1 space", "space": "1 stack", "stack": "2 cells"}[kind]
        for verb in ("purge", "delete"):
            with pytest.raises(errors.ResourceHasDependencies, match=f"{many} inside") as caught:
                await getattr(found, f"{verb}_{kind}")(document(kind), False, False)
            assert "--cascade" in caught.value.hint
            assert "--force" in caught.value.hint
        assert everything(host) == before

    async def test_without_any_document_the_names_are_enough(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        before = everything(host)
        found = await prepared(host, tmp_path)
        await found.create_cell(cell("web"))
        host.images.present.clear()
        shutil.rmtree(_directory(tmp_path, kind))
        gone = await purge(controller(host, tmp_path), kind, cascade=False)
        assert gone.deleted == ()
        assert {"orphaned-containers", "cgroup"} <= set(gone.purged)
        assert gone.purge_succeeded
        emptied(host, before, kind)

    async def test_damaged_documents_below_keep_nothing(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        before = everything(host)
        found = await prepared(host, tmp_path)
        for name in ("torn", "lost", "whole"):
            await found.create_cell(cell(name))
        host.images.present.clear()
        top = _directory(tmp_path, "stack")
        (top / "torn/metadata.json").write_text("{")
        (top / "lost/metadata.json").unlink()
        (top / "Strange").mkdir()
        for above in (top, top.parent)[: KINDS[::-1].index(kind)]:
            (above / "metadata.json").write_text("")
        gone = await purge(controller(host, tmp_path), kind)
        assert gone.purge_succeeded
        assert "metadata" in gone.deleted
        assert "orphaned-containers" in gone.purged
        emptied(host, before, kind)
        assert not _directory(tmp_path, kind).exists()

    async def test_whatever_refuses_once_is_told_and_a_second_purge_finishes(self, kind: str, tmp_path: Path) -> None:
        for failure in (Failure.REFUSED, Failure.LATE):
            for number in range(1, 60):
                host = FakeHost()
                before = everything(host)
                found = await prepared(host, tmp_path / f"{failure.name}-{number}")
                await found.create_cell(cell("web"))
                host.images.present.clear()
                with host.failing_at(number, failure):
                    (gone,) = await asyncio.gather(purge(found, kind), return_exceptions=True)
                    reached = host.faults.done >= number
                if isinstance(gone, BaseException):
                    assert isinstance(gone, errors.HostError)
                    told = "still there" in str(gone)
                else:
                    told = bool(gone.warnings)
                    assert kind != "realm" or gone.namespace_removed
                if not reached:
                    assert number > 5
                    break
                assert told, (failure, number, host.faults.log)
                again = await purge(found, kind)
                assert (again.purge_succeeded, again.warnings) == (True, ())
                emptied(host, before, kind)
            else:
                pytest.fail("it never got through")

    async def test_without_containerd_nothing_is_touched(
        self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        before = everything(host)

        async def away(*_: object) -> Any:
            raise errors.ConnectContainerd("containerd is away")

        for name in ("ids", "namespaces", "namespace_exists", "find"):
            monkeypatch.setattr(host.containers, name, away)
        for name in ("default", "never"):
            with pytest.raises(errors.ConnectContainerd):
                await purge(found, kind, name)
        monkeypatch.undo()
        assert everything(host) == before

    async def test_twice_at_once(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        before = everything(host)
        found = await prepared(host, tmp_path)
        await found.create_cell(cell("web"))
        host.images.present.clear()
        host.faults.turns = lambda: 3
        both = await asyncio.gather(*(purge(found, kind) for _ in range(2)))
        assert sorted(bool(each.deleted) for each in both) == [False, True]
        assert all(each.purge_succeeded for each in both)
        emptied(host, before, kind)

    async def test_the_realm_of_kukeon_itself_is_protected(self, kind: str, tmp_path: Path) -> None:
        found = await prepared(FakeHost(), tmp_path)
        system = {
            "realm": model.RealmDoc(metadata=model.Metadata(name="kuke-system")),
            "space": model.SpaceDoc(metadata=model.Metadata(name="a"), spec=model.SpaceSpec(realm_id="kuke-system")),
            "stack": model.StackDoc(
                metadata=model.Metadata(name="a"), spec=model.StackSpec(realm_id="kuke-system", space_id="a")
            ),
        }[kind]
        for verb in ("delete", "purge"):
            with pytest.raises(errors.Denied, match="kukeon's own"):
                await getattr(found, f"{verb}_{kind}")(system, True, True)
        assert (await getattr(found, f"get_{kind}")(system)).metadata_exists is False


def _directory(run_path: Path, kind: str) -> Path:
    return run_path.joinpath("data", *["default"] * (KINDS.index(kind) + 1))


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


async def test_neighbours_are_left_alone(tmp_path: Path) -> None:
    """Names that begin alike, and containers that are nobody's."""
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_space(document("space", "default2"))
    stack = model.StackSpec(realm_id="default", space_id="default2")
    await found.create_stack(model.StackDoc(metadata=model.Metadata(name="default"), spec=stack))
    own = cell("web")
    spec = model.CellSpec(realm_id="default", space_id="default2", stack_id="default", containers=own.spec.containers)
    await found.create_cell(own)
    await found.create_cell(model.CellDoc(metadata=model.Metadata(name="web"), spec=spec))
    await purge(found, "space")
    assert {id for _, id in host.containers.tasks} == {"default2_default_web_root", "default2_default_web_web"}
    assert NAMESPACE in host.containers.labels
    assert len(host.network.bridges) == len(host.kernel.pins) == 1


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


async def test_a_directory_that_stays_is_no_success(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("web"))
    (tmp_path / "data/default/default/default/metadata.json").unlink()
    fresh = controller(host, tmp_path)

    async def refuses(namespace: str, id: str) -> None:
        raise errors.HostError(f"cannot delete {id!r}")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(host.containers, "delete", refuses)
        with pytest.raises(errors.DeleteStack, match="metadata"):
            await purge(fresh, "stack")
    assert (await purge(fresh, "stack")).purge_succeeded
