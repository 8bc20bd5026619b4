"""Whatever stands in the tree that should not: reported, never followed, never overwritten, and no harm to the rest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_api.model import Ref
from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout
from kukeon_runner.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD, BAD = Ref("r", "s", "t", "good"), Ref("r", "s", "t", "bad")


def cell(ref: Ref) -> model.CellDoc:
    spec = model.CellSpec(realm_id=ref.realm, space_id=ref.space, stack_id=ref.stack)
    return model.CellDoc(metadata=model.Metadata(name=ref.name), spec=spec)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "k").mkdir()
    layout = Layout(Instance("0123abcd", str(tmp_path / "k"), "kukeon.io", "/kukeon", "10.88.0.0/16"))
    for ref in (GOOD, BAD):
        Store(layout).save(cell(ref))
    return layout


@pytest.fixture(params=[True, False], ids=["exclusive", "shared"])
def open_store(layout: Layout, request: pytest.FixtureRequest) -> Callable[[], Store]:
    return lambda: Store(layout, exclusive=request.param)


def written(name: str = "bad", realm: str = "r", **further: object) -> bytes:
    spec = {"realmId": realm, "spaceId": "s", "stackId": "t", **further}
    return json.dumps({"kind": "Cell", "metadata": {"name": name}, "spec": spec}).encode()


CORRUPT = {
    "empty": b"",
    "torn": written()[:40],
    "not json": b"\x00\x01",
    "not utf-8": b'{"apiVersion": "\xff"}',
    "other kind": b'{"kind": "Realm", "metadata": {"name": "bad"}, "spec": {}, "status": {}}',
    "other version": b'{"apiVersion": "v9", "kind": "Cell", "anything": 1}',
    "other name": written(name="x"),
    "other place": written(realm="x"),
    "unknown field": written(x=1),
    "hostile name": written(name="../x"),
}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_file_is_named_and_left_alone(
    open_store: Callable[[], Store], layout: Layout, content: bytes
) -> None:
    path = Path(layout.metadata(BAD))
    path.write_bytes(content)
    store = open_store()
    accesses: tuple[Callable[[], object], ...] = (
        lambda: store.load(BAD),
        lambda: store.find(BAD),
        lambda: store.save(cell(BAD)),
    )
    for access in accesses:
        with pytest.raises(errors.CorruptMetadata, match="bad/metadata"):
            access()
    assert path.read_bytes() == content
    scan = store.scan(model.CellDoc)
    assert [model.ref_of(doc) for doc in scan.docs] == [GOOD]
    assert [type(problem) for problem in scan.problems] == [errors.CorruptMetadata]
    assert store.children(Ref("r", "s", "t")) == ["bad", "good"]
    assert store.save(cell(GOOD))


def test_a_listing_says_what_it_left_out(
    open_store: Callable[[], Store], layout: Layout, caplog: pytest.LogCaptureFixture
) -> None:
    Path(layout.metadata(BAD)).write_bytes(b"{")
    store = open_store()
    for _ in range(3):
        assert [doc.metadata.name for doc in store.docs("Cell")] == ["good"]
    assert caplog.text.count(layout.metadata(BAD)) == 1


def test_a_repaired_file_is_seen_without_a_restart(open_store: Callable[[], Store], layout: Layout) -> None:
    path = Path(layout.metadata(BAD))
    sound = path.read_bytes()
    path.write_bytes(b"{")
    store = open_store()
    assert len(store.docs("Cell")) == 1
    path.write_bytes(sound)
    assert len(store.docs("Cell")) == 2
    assert store.scan("Cell").problems == ()
    assert store.load(BAD)


def test_a_corrupt_resource_can_be_deleted(open_store: Callable[[], Store], layout: Layout) -> None:
    Path(layout.metadata(BAD)).write_bytes(b"{")
    store = open_store()
    assert store.delete(BAD)
    assert store.find(BAD) is None
    assert store.scan("Cell").problems == ()


def test_a_missing_version_means_the_first_one(open_store: Callable[[], Store], layout: Layout) -> None:
    Path(layout.metadata(BAD)).write_bytes(written())
    assert open_store().load(BAD, model.CellDoc).spec.stack_id == "t"


def test_a_linked_file_is_not_read(open_store: Callable[[], Store], layout: Layout, tmp_path: Path) -> None:
    path = Path(layout.metadata(BAD))
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    store = open_store()
    with pytest.raises(errors.HostError, match="symbolic links are not followed"):
        store.load(BAD)
    with pytest.raises(errors.HostError):
        store.save(cell(BAD))
    assert len(store.scan("Cell").problems) == 1


def test_a_linked_directory_leads_nowhere(open_store: Callable[[], Store], layout: Layout, tmp_path: Path) -> None:
    directory = Path(layout.cell_dir(BAD))
    directory.rename(tmp_path / "outside")
    directory.symlink_to(tmp_path / "outside")
    store = open_store()
    assert [doc.metadata.name for doc in store.docs("Cell")] == ["good"]
    assert len(store.scan("Cell").problems) == 1
    with pytest.raises(errors.HostError):
        store.save(cell(BAD))
    assert [entry.name for entry in (tmp_path / "outside").iterdir()] == ["metadata.json"]
    # Deleting it removes the link.
    store.delete(BAD)
    assert not directory.is_symlink()
    assert (tmp_path / "outside" / "metadata.json").exists()
    assert store.scan("Cell").problems == ()
    assert store.save(cell(BAD)).metadata.generation == 1


def test_a_linked_parent_leads_nowhere(open_store: Callable[[], Store], layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    Path(layout.data, "evil").symlink_to(tmp_path / "outside")
    store = open_store()
    with pytest.raises(errors.HostError):
        store.save(cell(Ref("evil", "s", "t", "c")))
    assert list((tmp_path / "outside").iterdir()) == []
    assert len(store.docs("Cell")) == 2


def test_what_is_no_resource_is_no_resource(open_store: Callable[[], Store], layout: Layout) -> None:
    stack = Path(layout.stack_dir(Ref("r", "s", "t")))
    (stack / ".hidden").mkdir()
    (stack / "empty").mkdir()
    (stack / "file").touch()
    (Path(layout.cell_dir(GOOD)) / "web").mkdir()
    Path(layout.run_path, "bin").mkdir()
    store = open_store()
    assert store.children(Ref("r", "s", "t")) == ["bad", "good"]
    assert store.children() == []
    assert store.scan("Cell").problems == ()
    assert store.leftovers(Ref("r", "s", "t")) == ["empty"]
    assert store.find(Ref("r", "s", "t", "empty")) is None


def test_a_directory_that_no_resource_can_be_called_after_is_reported(
    open_store: Callable[[], Store], layout: Layout
) -> None:
    Path(layout.data, "Not_a_Name").mkdir()
    store = open_store()
    (problem,) = store.scan("Cell").problems
    assert "Not_a_Name" in str(problem)
    Path(layout.data, "Not_a_Name").rmdir()
    assert store.scan("Cell").problems == ()


def test_a_file_in_place_of_a_directory_is_an_error(open_store: Callable[[], Store], layout: Layout) -> None:
    Path(layout.data, "file").touch()
    store = open_store()
    with pytest.raises(errors.HostError, match="not a directory"):
        store.save(cell(Ref("file", "s", "t", "c")))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_directory_in_place_of_a_document_does_not_hang(
    open_store: Callable[[], Store], layout: Layout, make: Callable[[str], None]
) -> None:
    path = layout.metadata(BAD)
    Path(path).unlink()
    make(path)
    with pytest.raises(errors.HostError):
        open_store().load(BAD)


def test_what_a_crash_left_is_swept_by_the_next_exclusive_start(layout: Layout) -> None:
    left = [
        Path(layout.cell_dir(GOOD), ".metadata-metadata.json"),
        Path(layout.space_dir(Ref("r", "s")), ".metadata-network.json"),
    ]
    for path in left:
        path.write_text("{")
    trash = Path(layout.stack_dir(Ref("r", "s", "t")), ".deleted-0011223344556677")
    (trash / "web").mkdir(parents=True)
    (trash / "web" / "log").touch()
    keep = Path(layout.space_dir(Ref("r", "s")), ".secrets")
    keep.mkdir()
    Store(layout).docs("Cell")
    assert all(path.exists() for path in (*left, trash))
    assert Store(layout, exclusive=True).open() == ()
    assert not any(path.exists() for path in (*left, trash))
    assert keep.exists()


def test_a_stale_temporary_file_does_not_stop_a_write(open_store: Callable[[], Store], layout: Layout) -> None:
    store = open_store()
    store.docs("Cell")
    stale = Path(layout.cell_dir(GOOD), ".metadata-metadata.json")
    stale.symlink_to("/dev/full")
    doc = store.load(GOOD, model.CellDoc)
    store.update(GOOD, model.CellDoc, lambda doc: model.CellDoc(metadata=doc.metadata, spec=doc.spec))
    store.save(model.CellDoc(metadata=doc.metadata, spec=doc.spec, status=model.CellStatus(reason="x")))
    assert not stale.is_symlink()
    assert Store(layout).load(GOOD, model.CellDoc).status.reason == "x"


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_a_file_that_is_spoilt_while_it_is_in_memory_is_noticed_and_left_alone(layout: Layout, content: bytes) -> None:
    store = Store(layout, exclusive=True)
    known = store.load(BAD, model.CellDoc)
    path = Path(layout.metadata(BAD))
    path.write_bytes(content)
    with pytest.raises(errors.CorruptMetadata, match=r"bad/metadata\.json"):
        store.load(BAD)
    with pytest.raises(errors.CorruptMetadata):
        store.save(known)
    assert path.read_bytes() == content
    assert [model.ref_of(doc) for doc in store.docs(model.CellDoc)] == [GOOD]
    assert len(store.scan("Cell").problems) == 1
    assert store.load(GOOD)


def test_what_somebody_else_wrote_is_what_is_stored(layout: Layout) -> None:
    store = Store(layout, exclusive=True)
    store.load(BAD)
    Path(layout.metadata(BAD)).write_bytes(written(autoDelete=True))
    assert store.load(BAD, model.CellDoc).spec.auto_delete
    Path(layout.metadata(BAD)).unlink()
    assert store.find(BAD) is None


def test_a_listing_that_looks_tells_what_somebody_else_did(layout: Layout) -> None:
    store = Store(layout, exclusive=True)
    sound = Path(layout.metadata(BAD)).read_bytes()
    assert len(store.docs("Cell")) == 2
    Path(layout.metadata(BAD)).write_bytes(sound[:40])
    store.look(model.CellDoc)
    assert [model.ref_of(doc) for doc in store.docs("Cell")] == [GOOD]
    assert layout.metadata(BAD) in str(store.scan("Cell").problems[0])
    Path(layout.metadata(BAD)).write_bytes(written(autoDelete=True))
    Path(layout.metadata(GOOD)).unlink()
    store.look(model.CellDoc)
    (left,) = store.docs(model.CellDoc)
    assert left.spec.auto_delete


def test_what_somebody_else_puts_back_is_there_again(layout: Layout) -> None:
    store = Store(layout, exclusive=True)
    path = Path(layout.metadata(BAD))
    sound = path.read_bytes()
    store.open()
    path.unlink()
    assert store.find(BAD) is None
    path.symlink_to("/etc/passwd")
    with pytest.raises(errors.KukeonError, match="not followed"):
        store.find(BAD)
    path.unlink()
    assert store.find(BAD) is None
    path.write_bytes(sound)
    assert store.find(BAD) is not None
    assert len(store.docs("Cell")) == 2
