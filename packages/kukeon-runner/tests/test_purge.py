"""Purge: nothing is left, whatever was known."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from purging import KINDS, document, emptied, everything, purge

from kukeon_api import errors, model
from kukeon_runner.testing.cells import NAMESPACE, cell, controller, prepared
from kukeon_runner.testing.host import Failure, FakeHost

if TYPE_CHECKING:
    from pathlib import Path


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
