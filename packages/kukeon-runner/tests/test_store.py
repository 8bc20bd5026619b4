"""Documents: stored, read again, versioned, listed, deleted; the same with a memory and without."""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kukeon_api import errors, model
from kukeon_api.model import Ref
from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout
from kukeon_runner.store import Store

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Clock:
    """Time that goes on by a second each time somebody looks."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> dt.datetime:
        self.time += dt.timedelta(seconds=1)
        return self.time


def layout_of(path: Path) -> Layout:
    path.mkdir(exist_ok=True)
    return Layout(Instance("0123abcd", str(path), "kukeon.io", "/kukeon", "10.88.0.0/16"), str(path / "run"))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_of(tmp_path / "k")


@pytest.fixture(params=["exclusive", "shared"])
def store(layout: Layout, request: pytest.FixtureRequest) -> Store:
    return Store(layout, exclusive=request.param == "exclusive", now=Clock())


CELL = Ref("r", "s", "t", "c")


def doc_of(ref: Ref) -> model.RealmDoc | model.SpaceDoc | model.StackDoc | model.CellDoc:
    metadata = model.Metadata(name=ref.name)
    match ref.kind:
        case "Realm":
            return model.RealmDoc(metadata=metadata)
        case "Space":
            return model.SpaceDoc(metadata=metadata, spec=model.SpaceSpec(realm_id=ref.realm))
        case "Stack":
            return model.StackDoc(metadata=metadata, spec=model.StackSpec(realm_id=ref.realm, space_id=ref.space))
        case _:
            return cell(ref)


def cell(ref: Ref = CELL, image: str = "busybox", **status: object) -> model.CellDoc:
    container = model.ContainerSpec(id="main", image=image)
    spec = model.CellSpec(realm_id=ref.realm, space_id=ref.space, stack_id=ref.stack, containers=(container,))
    return model.CellDoc(
        metadata=model.Metadata(name=ref.name),
        spec=spec,
        status=model.CellStatus(**status),  # type: ignore[arg-type]
    )


def with_image(doc: model.CellDoc, image: str) -> model.CellDoc:
    return msgspec.structs.replace(doc, spec=cell(model.ref_of(doc), image).spec)


def with_status(doc: model.CellDoc, **status: object) -> model.CellDoc:
    return msgspec.structs.replace(doc, status=msgspec.structs.replace(doc.status, **status))


def test_what_was_saved_is_read_again_by_a_later_process(store: Store, layout: Layout) -> None:
    for ref in (*CELL.ancestors, CELL):
        stored = store.save(doc_of(ref))
        assert store.load(ref) == stored
        assert Store(layout).load(ref) == stored
        assert Store(layout, exclusive=True).load(ref) == stored


def test_files_are_json_for_people_and_private(store: Store, layout: Layout) -> None:
    store.save(cell())
    path = Path(layout.metadata(CELL))
    text = path.read_text()
    assert text.startswith('{\n  "apiVersion": "v1beta1",\n  "kind": "Cell",\n')
    assert text.endswith("}\n")
    assert set(json.loads(text)) == {"apiVersion", "kind", "metadata", "spec", "status"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    for directory in [path.parent, *path.parents][:6]:
        if directory != Path(layout.run_path):
            assert stat.S_IMODE(directory.stat().st_mode) == 0o2750
    assert [entry.name for entry in path.parent.iterdir()] == ["metadata.json"]


def test_what_is_absent_is_not_found_by_its_kind(store: Store) -> None:
    for ref in (*CELL.ancestors, CELL):
        assert store.find(ref) is None
        with pytest.raises(errors.KINDS[f"{ref.kind}NotFound"], match=f"'{ref}'"):
            store.load(ref)
    assert store.children() == []
    assert store.docs(model.CellDoc) == []


def test_containers_have_no_document_of_their_own(store: Store) -> None:
    store.save(cell())
    with pytest.raises(ValueError, match="Container"):
        store.find(CELL.child("main"))
    with pytest.raises(ValueError, match="Cell"):
        store.load(CELL, model.RealmDoc)
    assert store.children(CELL) == []


def test_the_generation_grows_with_the_spec_alone(store: Store) -> None:
    first = store.save(cell())
    assert first.metadata.generation == 1
    second = store.save(with_status(first, reason="Why", message="because"))
    assert second.metadata.generation == 1
    third = store.save(with_image(second, "alpine"))
    assert third.metadata.generation == 2
    assert store.save(
        msgspec.structs.replace(third, metadata=msgspec.structs.replace(third.metadata, labels={"a": "b"}))
    )
    assert store.load(CELL, model.CellDoc).metadata.generation == 2


def test_times_of_life(store: Store) -> None:
    first = store.save(cell())
    assert first.status.created_at == first.status.updated_at == START + dt.timedelta(seconds=1)
    assert first.status.ready_at is None
    ready = store.save(with_status(first, state=model.CellState.READY))
    assert ready.status.created_at == first.status.created_at
    assert ready.status.updated_at == ready.status.ready_at
    stopped = store.save(with_status(ready, state=model.CellState.STOPPED))
    again = store.save(with_status(stopped, state=model.CellState.READY))
    assert again.status.ready_at == ready.status.ready_at
    assert again.status.updated_at is not None
    assert again.status.updated_at > ready.status.updated_at  # type: ignore[operator]


def test_times_can_not_be_brought_along(store: Store) -> None:
    past = dt.datetime(1999, 1, 1, tzinfo=dt.UTC)
    stored = store.save(cell(created_at=past, ready_at=past, updated_at=past))
    assert stored.status.created_at == START + dt.timedelta(seconds=1)
    assert stored.status.ready_at is None


def test_a_save_that_changes_nothing_writes_nothing(store: Store, layout: Layout) -> None:
    stored = store.save(cell())
    before = Path(layout.metadata(CELL)).stat()
    assert store.save(stored) == stored
    assert store.save(cell()) == stored
    after = Path(layout.metadata(CELL)).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_change_based_on_an_older_generation_is_refused(store: Store) -> None:
    old = store.save(cell())
    new = store.save(with_image(old, "alpine"))
    with pytest.raises(errors.StaleResource, match="generation 2") as caught:
        store.save(with_status(old, reason="late"))
    assert isinstance(caught.value, errors.Aborted)
    assert store.load(CELL) == new


def test_a_change_without_a_generation_is_not_compared(store: Store) -> None:
    store.save(with_image(store.save(cell()), "alpine"))
    assert store.save(cell(image="debian")).metadata.generation == 3


def test_an_expected_generation_is_compared_exactly(store: Store) -> None:
    first = store.save(cell(), expected_generation=0)
    with pytest.raises(errors.StaleResource, match="exists already"):
        store.save(cell(image="alpine"), expected_generation=0)
    with pytest.raises(errors.StaleResource):
        store.save(cell(image="alpine"), expected_generation=7)
    assert store.load(CELL) == first
    assert store.save(cell(image="alpine"), expected_generation=1).metadata.generation == 2


def test_what_was_deleted_is_not_revived_by_a_late_status(store: Store) -> None:
    stored = store.save(cell())
    assert store.delete(CELL)
    with pytest.raises(errors.StaleResource, match="deleted"):
        store.save(with_status(stored, reason="late"))
    assert store.find(CELL) is None
    remade = store.save(cell())
    with pytest.raises(errors.StaleResource, match="made anew"):
        store.save(with_status(stored, reason="late"))
    assert store.load(CELL) == remade


def test_update_reads_and_writes_as_one_act(store: Store) -> None:
    store.save(cell())
    after = store.update(CELL, model.CellDoc, lambda doc: with_image(doc, "alpine"))
    assert after.metadata.generation == 2
    assert store.load(CELL) == after
    with pytest.raises(errors.CellNotFound):
        store.update(Ref("r", "s", "t", "no"), model.CellDoc, lambda doc: doc)


def test_a_failing_update_changes_nothing(store: Store) -> None:
    stored = store.save(cell())

    def fail(_: model.CellDoc) -> model.CellDoc:
        raise LookupError

    with pytest.raises(LookupError):
        store.update(CELL, model.CellDoc, fail)
    assert store.load(CELL) == stored
    assert store.save(with_image(stored, "alpine")).metadata.generation == 2


def test_delete_removes_all_files_at_once_and_twice_is_fine(store: Store, layout: Layout) -> None:
    store.save(cell())
    log = Path(layout.container_log(CELL.child("main")))
    log.parent.mkdir()
    log.write_text("line\n")
    assert store.delete(CELL) is True
    assert store.delete(CELL) is False
    assert store.find(CELL) is None
    assert list(Path(layout.stack_dir(Ref("r", "s", "t"))).iterdir()) == []


def test_delete_never_follows_a_link(store: Store, layout: Layout, tmp_path: Path) -> None:
    store.save(cell())
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    Path(layout.cell_dir(CELL), "link").symlink_to(tmp_path / "precious")
    store.delete(CELL)
    assert (tmp_path / "precious" / "file").exists()


def test_a_parent_with_anything_inside_stays(store: Store, layout: Layout) -> None:
    for ref in (*CELL.ancestors, CELL):
        store.save(doc_of(ref))
    for ref in CELL.ancestors:
        with pytest.raises(errors.ResourceHasDependencies, match="1 inside"):
            store.delete(ref)
        assert store.load(ref)
    # Also when what is inside has lost its document: its containers may live.
    Path(layout.metadata(CELL)).unlink()
    stack = CELL.ancestors[-1]
    fresh = Store(layout)
    with pytest.raises(errors.ResourceHasDependencies, match="'c'"):
        fresh.delete(stack)
    assert fresh.leftovers(stack) == ["c"]
    fresh.delete(CELL)
    for ref in reversed(CELL.ancestors):
        assert fresh.delete(ref)
    assert list(Path(layout.data).iterdir()) == []


def test_listing_is_ordered_and_scoped(store: Store) -> None:
    refs = [Ref(*f"{realm}/{space}/t/{name}".split("/")) for realm in "ba" for space in ("s", "s-1") for name in "zx"]
    for ref in refs:
        store.save(cell(ref))
    assert [model.ref_of(doc) for doc in store.docs(model.CellDoc)] == sorted(refs)
    assert [model.ref_of(doc) for doc in store.docs("Cell", Ref("a", "s"))] == [
        Ref("a", "s", "t", "x"),
        Ref("a", "s", "t", "z"),
    ]
    assert [model.ref_of(doc) for doc in store.docs("Cell", Ref("a", "s", "t", "x"))] == [Ref("a", "s", "t", "x")]
    assert store.docs("Cell", Ref("none")) == []
    assert store.children(Ref("a", "s", "t")) == ["x", "z"]


def test_what_lies_below_a_lost_document_is_still_listed(store: Store) -> None:
    store.save(cell())
    assert store.docs("Stack") == []
    assert store.children() == []
    assert [doc.metadata.name for doc in store.docs("Cell")] == ["c"]
    assert store.leftovers() == ["r"]


names = st.sampled_from(["a", "b", "a-b", "a0"])
refs = st.lists(names, min_size=1, max_size=4).map(lambda parts: Ref(*parts))
actions = st.lists(st.tuples(st.sampled_from(["save", "spec", "delete"]), refs), max_size=25)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions)
def test_memory_and_disk_always_agree(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Ref]]) -> None:
    layout = layout_of(tmp_path_factory.mktemp("k"))
    store = Store(layout, exclusive=True)
    for action, ref in steps:
        if action == "delete":
            try:
                store.delete(ref)
            except errors.ResourceHasDependencies:
                assert store.leftovers(ref) or store.children(ref)
        else:
            doc = doc_of(ref)
            if action == "spec" and isinstance(doc, model.CellDoc):
                doc = with_image(doc, "alpine")
            store.save(doc)
    disk = Store(layout)
    for kind in ("Realm", "Space", "Stack", "Cell"):
        assert store.docs(kind) == disk.docs(kind)
        for scope in {ref for _, ref in steps}:
            assert store.docs(kind, scope) == disk.docs(kind, scope)
            assert store.children(scope) == disk.children(scope)


def test_a_failed_delete_leaves_memory_and_disk_agreed(
    store: Store, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = store.save(cell())

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    for call in ("rename", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(errors.HostError, match="input/output"):
                store.delete(CELL)
        assert store.find(CELL) == Store(layout).find(CELL)
    # The rename had happened before the directory could not be synced: gone is gone.
    assert store.find(CELL) is None
    assert store.save(cell()).status.created_at != stored.status.created_at


def test_a_failed_save_leaves_memory_and_disk_agreed(
    store: Store, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    for ref in (CELL, Ref("r", "s", "t", "new")):
        for call in ("open", "write", "rename", "fsync"):
            with monkeypatch.context() as patch:
                patch.setattr(os, call, fail)
                with pytest.raises(errors.HostError):
                    store.save(cell(ref))
            assert store.docs("Cell") == Store(layout).docs("Cell")
            assert store.children(CELL.parent) == Store(layout).children(CELL.parent)
        store.save(cell(ref))


@pytest.mark.host  # Only real root may give files to a group of its choice.
def test_a_group_gets_what_root_alone_had(layout: Layout) -> None:
    gid = 4711
    Store(layout).save(cell())
    log = Path(layout.container_log(CELL.child("main")))
    log.parent.mkdir(mode=0o700)
    log.touch(mode=0o640)
    private = Path(layout.containerd_root, "private")
    private.mkdir(parents=True, mode=0o700)
    (log.parent / "link").symlink_to(private)
    store = Store(layout, exclusive=True, gid=gid)
    assert store.load(CELL)
    for path in (Path(layout.run_path), Path(layout.metadata(CELL)), log, log.parent, Path(layout.data)):
        assert path.stat().st_gid == gid, path
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o2750
    assert stat.S_IMODE(log.stat().st_mode) == 0o640
    assert private.stat().st_gid == os.getgid()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    store.save(cell(Ref("r", "s", "t", "new")))
    assert Path(layout.metadata(Ref("r", "s", "t", "new"))).stat().st_gid == gid
