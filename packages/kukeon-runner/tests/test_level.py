"""Realms, spaces and stacks: what they share, tried on each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from kukeon_api import errors, model
from kukeon_runner.testing.cells import NAMESPACE, cell, controller, prepared
from kukeon_runner.testing.host import Failure, FakeHost

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_runner.controller import Controller

KINDS = ["realm", "space", "stack"]


def metadata(name: str, **labels: str) -> model.Metadata:
    return model.Metadata(name=name, labels=labels)


def document(kind: str, name: str = "new", *, realm: str = "default", space: str = "default") -> Any:
    match kind:
        case "realm":
            return model.RealmDoc(metadata=metadata(name))
        case "space":
            return model.SpaceDoc(metadata=metadata(name), spec=model.SpaceSpec(realm_id=realm))
        case _:
            return model.StackDoc(metadata=metadata(name), spec=model.StackSpec(realm_id=realm, space_id=space))


def level(found: Controller, kind: str) -> Any:
    return getattr(found.runner, f"{kind}s")


def stored(found: Controller, kind: str, name: str = "new") -> Any:
    return level(found, kind).find(model.ref_of(document(kind, name)))


def everything(host: FakeHost) -> dict[str, object]:
    return host.traces() | host.networks()


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    async def test_made_then_ensured(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        made = await level(found, kind).converge(document(kind), update=False)
        assert (made.existed, set(made.pre.values()), set(made.post.values())) == (False, {False}, {True})
        assert made.doc.status.state == "Ready"
        assert made.doc.status.observed_generation == made.doc.metadata.generation == 1
        assert made.doc.status.cgroup_path
        assert made.doc.status.subtree_controllers
        host.faults.log.clear()
        again = await level(found, kind).converge(document(kind), update=False)
        assert (again.existed, again.changed, again.doc, host.faults.log) == (True, False, made.doc, [])

    async def test_what_others_took_away_is_made_again(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        await level(found, kind).converge(document(kind), update=False)
        whole = everything(host)
        host.kernel.cgroups = {each for each in host.kernel.cgroups if not each.endswith("/new")}
        again = await level(found, kind).converge(document(kind), update=False)
        assert (again.existed, again.changed, again.pre["cgroup"], again.post["cgroup"]) == (True, True, False, True)
        assert everything(host) == whole

    async def test_a_failure_is_kept_with_its_reason_and_tried_again(self, kind: str, tmp_path: Path) -> None:
        for failure in (Failure.REFUSED, Failure.LATE):
            for number in range(1, 20):
                host = FakeHost()
                found = await prepared(host, tmp_path / f"{failure.name}-{number}")
                with host.failing_at(number, failure):
                    try:
                        await level(found, kind).converge(document(kind), update=False)
                    except errors.HostError:
                        failed = True
                    else:
                        failed = False
                status = stored(found, kind).status
                if not failed:
                    assert number > 1
                    break
                assert (status.state, status.reason) == ("Failed", f"Create{kind.capitalize()}Failed")
                assert "told to fail" in status.message
                whole = await level(found, kind).converge(document(kind), update=False)
                assert (whole.existed, set(whole.post.values())) == (False, {True})
                assert (whole.doc.status.state, whole.doc.status.reason, whole.doc.status.message) == ("Ready", "", "")
                if kind == "space":
                    assert {each.bridge for each in host.network.firewall} == set(host.network.bridges)
            else:
                pytest.fail("it never got through")

    async def test_a_failure_that_heals_is_forgotten(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        cgroup = found.runner.context.layout.cgroup(model.ref_of(document(kind)))
        with host.failing_at(1), pytest.raises(errors.HostError):
            await level(found, kind).converge(document(kind), update=False)
        assert (await level(found, kind).refresh(model.ref_of(document(kind))))[0].status.state == "Failed"
        for piece in level(found, kind).pieces(model.ref_of(document(kind)), stored(found, kind)):
            await piece.make()
        assert cgroup in host.kernel.cgroups
        healed = (await level(found, kind).refresh(model.ref_of(document(kind))))[0].status
        assert (healed.state, healed.reason, healed.message) == ("Ready", "", "")

    async def test_a_lost_piece_is_seen_and_its_return_too(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        await level(found, kind).converge(document(kind), update=False)
        cgroups = host.kernel.cgroups
        host.kernel.cgroups = set()
        lost = (await level(found, kind).refresh(model.ref_of(document(kind))))[0].status
        assert (lost.state, lost.cgroup_ready) == ("Unknown", False)
        host.kernel.cgroups = cgroups
        assert (await level(found, kind).refresh(model.ref_of(document(kind))))[0].status.state == "Ready"

    async def test_deleted_without_a_trace(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        before = everything(host)
        await level(found, kind).converge(document(kind), update=False)
        gone = await level(found, kind).delete(model.ref_of(document(kind)), cascade=False)
        assert gone.removed[-1] == "metadata"
        assert "cgroup" in gone.removed
        assert everything(host) == before
        assert stored(found, kind) is None
        with pytest.raises(errors.NotFound):
            await level(found, kind).delete(model.ref_of(document(kind)), cascade=False)

    async def test_a_deletion_that_fails_can_be_repeated(self, kind: str, tmp_path: Path) -> None:
        for failure in (Failure.REFUSED, Failure.LATE):
            for number in range(1, 20):
                host = FakeHost()
                found = await prepared(host, tmp_path / f"{failure.name}-{number}")
                before = everything(host)
                await level(found, kind).converge(document(kind), update=False)
                with host.failing_at(number, failure):
                    try:
                        await level(found, kind).delete(model.ref_of(document(kind)), cascade=False)
                    except errors.HostError:
                        failed = True
                    else:
                        failed = False
                if not failed:
                    assert number > 1
                    break
                assert stored(found, kind) is not None
                await level(found, kind).delete(model.ref_of(document(kind)), cascade=False)
                assert everything(host) == before
            else:
                pytest.fail("it never got through")

    async def test_pieces_that_are_not_right_any_more_go_all_the_same(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        before = everything(host)
        await level(found, kind).converge(document(kind), update=False)
        for path in host.kernel.files:
            if "/new/" in path:
                # An older version, or an administrator, wrote it otherwise.
                host.kernel.files[path] += "\n"
        gone = await level(found, kind).delete(model.ref_of(document(kind)), cascade=False)
        assert "network" not in gone.removed
        assert everything(host) == before

    async def test_two_at_once_make_it_once(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        host.faults.turns = lambda: 3
        host.faults.log.clear()
        both = await asyncio.gather(*(level(found, kind).converge(document(kind), update=False) for _ in range(2)))
        assert sorted(each.existed for each in both) == [False, True]
        assert both[0].doc == both[1].doc
        assert len(host.faults.log) == len(set(host.faults.log))

    async def test_made_while_it_is_being_deleted(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        await level(found, kind).converge(document(kind), update=False)
        host.faults.turns = lambda: 3
        ref = model.ref_of(document(kind))
        _, made = await asyncio.gather(
            level(found, kind).delete(ref, cascade=False), level(found, kind).converge(document(kind), update=False)
        )
        assert (made.existed, made.doc.status.state) == (False, "Ready")
        assert stored(found, kind) == made.doc
        assert set((await level(found, kind).presence(ref, made.doc)).values()) == {True}

    async def test_deleted_twice_at_once(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        await level(found, kind).converge(document(kind), update=False)
        host.faults.turns = lambda: 3
        ref = model.ref_of(document(kind))
        both = await asyncio.gather(
            *(level(found, kind).delete(ref, cascade=False) for _ in range(2)), return_exceptions=True
        )
        assert [isinstance(each, errors.NotFound) for each in both] == [False, True]

    async def test_a_fresh_process_knows_it(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        made = await level(await prepared(host, tmp_path), kind).converge(document(kind), update=False)
        again = await level(controller(host, tmp_path), kind).converge(document(kind), update=False)
        assert (again.existed, again.changed, again.doc) == (True, False, made.doc)


@pytest.mark.parametrize(
    ("doc", "error"),
    [
        (document("space", realm="missing"), errors.RealmNotFound),
        (document("stack", realm="missing"), errors.RealmNotFound),
        (document("stack", space="missing"), errors.SpaceNotFound),
    ],
)
async def test_a_parent_that_is_missing(doc: Any, error: type[errors.NotFound], tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before = everything(host)
    with pytest.raises(error, match="missing"):
        await level(found, doc.kind.lower()).converge(doc, update=False)
    assert everything(host) == before
    assert level(found, doc.kind.lower()).find(model.ref_of(doc)) is None


async def test_only_an_update_changes_the_spec(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    defaults = model.SpaceDefaults(container=model.ContainerDefaults(user="1"))
    plain = document("space")
    changed = msgspec.structs.replace(plain, spec=msgspec.structs.replace(plain.spec, defaults=defaults))
    await found.runner.spaces.converge(plain, update=False)
    kept = await found.runner.spaces.converge(changed, update=False)
    assert (kept.doc.spec.defaults, kept.changed, kept.doc.metadata.generation) == (None, False, 1)
    after = await found.runner.spaces.converge(changed, update=True)
    assert (after.doc.spec.defaults, after.changed) == (defaults, True)
    assert after.doc.status.observed_generation == after.doc.metadata.generation == 2


async def test_an_update_keeps_managed_labels_and_replaces_the_users(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    first = msgspec.structs.replace(document("stack"), metadata=metadata("new", team="a", old="x"))
    second = msgspec.structs.replace(document("stack"), metadata=metadata("new", team="b"))
    managed = (await found.runner.stacks.converge(first, update=False)).doc.metadata.labels
    assert managed.items() > {"team": "a", "old": "x", "stack.kukeon.io": "new"}.items()
    after = (await found.runner.stacks.converge(second, update=True)).doc.metadata.labels
    assert {key: value for key, value in after.items() if not key.endswith("kukeon.io")} == {"team": "b"}
    assert {key for key in after if key.endswith("kukeon.io")} == {key for key in managed if key.endswith("kukeon.io")}


async def test_cascade_goes_down_to_the_cells(tmp_path: Path) -> None:
    host = FakeHost()
    found = controller(host, tmp_path)
    clean = everything(host)
    found = await prepared(host, tmp_path)
    for name in ("one", "two"):
        await found.create_cell(cell(name))
    gone = await found.runner.realms.delete(model.Ref("default"), cascade=True)
    assert gone.removed == ("space:default", "cgroup", "namespace", "metadata")
    left = everything(host)
    assert left.pop("cgroups") == {"/kukeon"}
    clean.pop("cgroups")
    assert left == clean
    assert not (tmp_path / "data/default").exists()


async def test_a_child_that_somebody_else_deletes_meanwhile_is_deleted(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    host.faults.turns = lambda: 3
    ref = model.Ref("default", "default", "default")
    deleting = asyncio.create_task(found.runner.cells.delete(ref.child("hello")))
    await asyncio.sleep(0)
    gone = await found.runner.stacks.delete(ref, cascade=True)
    await deleting
    assert gone.removed == ("cell:hello", "cgroup", "metadata")


async def test_a_cell_that_is_being_made_when_its_stack_goes_leaves_nothing(tmp_path: Path) -> None:
    ref = model.Ref("default", "default", "default")
    for turns in range(0, 60, 2):
        host = FakeHost()
        found = await prepared(host, tmp_path / str(turns))
        host.faults.turns = lambda: 1
        making = asyncio.create_task(found.create_cell(cell("hello")))
        for _ in range(turns):
            await asyncio.sleep(0)
        await found.runner.stacks.delete(ref, cascade=True)
        (outcome,) = await asyncio.gather(making, return_exceptions=True)
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, errors.NotFound)
        assert found.runner.cells.find(ref.child("hello")) is None
        assert not (tmp_path / f"{turns}/data/default/default/default").exists()
        assert not host.containers.records
        assert not host.containers.tasks
        assert [host.kernel.pins, host.kernel.shms, host.network.addresses] == [{}, set(), {}]
        assert not [path for path in host.kernel.cgroups if path.startswith("/kukeon/default/default/default")]


async def test_a_child_without_a_document_goes_with_its_parent(tmp_path: Path) -> None:
    """A crash can leave a directory, and a disk can lose a document: neither may keep a parent for ever."""
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before = everything(host)
    await found.create_cell(cell("lost"))
    directory = tmp_path / "data/default/default/default"
    (directory / "lost/metadata.json").unlink()
    (directory / "empty").mkdir()
    fresh = controller(host, tmp_path)
    with pytest.raises(errors.ResourceHasDependencies):
        await fresh.runner.stacks.delete(model.Ref("default", "default", "default"), cascade=False)
    await fresh.runner.stacks.delete(model.Ref("default", "default", "default"), cascade=True)
    left = everything(host)
    assert (left["records"], left["tasks"], left["pins"], left["attachments"]) == (set(), {}, {}, {})
    assert not directory.exists()
    await fresh.create_stack(document("stack", "default"))
    assert everything(host) == before


async def test_a_cell_whose_document_is_damaged_can_be_deleted(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before = everything(host)
    await found.create_cell(cell("torn"))
    (tmp_path / "data/default/default/default/torn/metadata.json").write_text("{")
    fresh = controller(host, tmp_path)
    with pytest.raises(errors.CorruptMetadata):
        await fresh.start_cell(cell("torn"))
    await fresh.delete_cell(cell("torn"))
    assert everything(host) == before
    assert NAMESPACE in host.containers.labels


async def test_two_realms_do_not_share_a_namespace(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    thief = model.RealmDoc(metadata=metadata("thief"), spec=model.RealmSpec(namespace=NAMESPACE))
    with pytest.raises(errors.Conflict, match="'default'"):
        await found.create_realm(thief)
    assert found.runner.realms.find(model.Ref("thief")) is None


async def test_without_containerd_there_are_no_namespaces_to_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    assert await found.runner.list_containerd_namespaces() == (NAMESPACE,)

    def away() -> None:
        raise errors.ConnectContainerd("containerd is away")

    monkeypatch.setattr(host.containers, "namespaces", away)
    assert await found.runner.list_containerd_namespaces() == ()


async def test_a_namespace_that_was_made_beforehand_for_its_images_is_taken(tmp_path: Path) -> None:
    host = FakeHost()
    host.containers.labels["shop.kukeon.io"] = {}
    found = await prepared(host, tmp_path)
    made = await found.create_realm(model.RealmDoc(metadata=metadata("shop")))
    assert (made.created, made.containerd_namespace_exists_pre, made.containerd_namespace_created) == (
        True,
        True,
        False,
    )
    assert made.realm.status.state is model.RealmState.READY


async def test_a_namespace_of_somebody_else_is_not_taken(tmp_path: Path) -> None:
    """Deleting the realm would end everything in it."""
    host = FakeHost()
    host.containers.labels["moby"] = {}
    found = await prepared(host, tmp_path)
    thief = model.RealmDoc(metadata=metadata("thief"), spec=model.RealmSpec(namespace="moby"))
    with pytest.raises(errors.Conflict, match="moby"):
        await found.create_realm(thief)
    with pytest.raises(errors.RealmNotFound):
        await found.delete_realm(thief, False, True)
    assert "moby" in host.containers.labels
