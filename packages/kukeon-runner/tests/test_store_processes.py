"""The store among several processes and threads, when one is killed, and when the disk is full."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from kukeon_api import errors, model
from kukeon_api.model import Ref
from kukeon_runner import flock
from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout
from kukeon_runner.store import Store

CELL = Ref("r", "s", "t", "c")

# What a child process needs to work on the same cell; argv[1] is the run path.
PRELUDE = """
import sys
import msgspec
from kukeon_api import errors, model
from kukeon_api.model import Ref
from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout
from kukeon_runner.store import Store

CELL = Ref("r", "s", "t", "c")
layout = Layout(Instance("0123abcd", sys.argv[1], "kukeon.io", "/kukeon", "10.88.0.0/16"))

def bumped(doc):
    labels = {**doc.metadata.labels, sys.argv[2]: str(int(doc.metadata.labels.get(sys.argv[2], "0")) + 1)}
    return msgspec.structs.replace(doc, metadata=msgspec.structs.replace(doc.metadata, labels=labels))

def sized(n):
    container = model.ContainerSpec(id="main", image="busybox", args=("x" * n,) * 20)
    spec = model.CellSpec(realm_id="r", space_id="s", stack_id="t", containers=(container,))
    return model.CellDoc(metadata=model.Metadata(name="c"), spec=spec)
"""


def spawn(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "k").mkdir()
    return Layout(Instance("0123abcd", str(tmp_path / "k"), "kukeon.io", "/kukeon", "10.88.0.0/16"))


def cell(ref: Ref = CELL, size: int = 1) -> model.CellDoc:
    container = model.ContainerSpec(id="main", image="busybox", args=("x" * size,) * 20)
    spec = model.CellSpec(realm_id=ref.realm, space_id=ref.space, stack_id=ref.stack, containers=(container,))
    return model.CellDoc(metadata=model.Metadata(name=ref.name), spec=spec)


def finish(process: subprocess.Popen[str]) -> None:
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint


def test_processes_that_update_one_cell_lose_nothing(layout: Layout) -> None:
    Store(layout).save(cell())
    script = """
store = Store(layout)
for _ in range(25):
    store.update(CELL, model.CellDoc, bumped)
"""
    for process in [spawn(script, layout.run_path, f"p{number}") for number in range(4)]:
        finish(process)
    assert Store(layout).load(CELL, model.CellDoc).metadata.labels == {f"p{number}": "25" for number in range(4)}


def test_processes_that_compare_generations_lose_nothing(layout: Layout) -> None:
    Store(layout).save(cell(size=0))
    script = """
store = Store(layout)
done = 0
while done < 15:
    doc = store.load(CELL, model.CellDoc)
    longer = sized(len(doc.spec.containers[0].args[0]) + 1)
    try:
        store.save(longer, expected_generation=doc.metadata.generation)
        done += 1
    except errors.StaleResource:
        pass
"""
    for process in [spawn(script, layout.run_path, f"p{number}") for number in range(3)]:
        finish(process)
    doc = Store(layout).load(CELL, model.CellDoc)
    assert len(doc.spec.containers[0].args[0]) == 45
    assert doc.metadata.generation == 46


def test_of_processes_that_create_one_cell_one_wins(layout: Layout) -> None:
    script = """
try:
    Store(layout).save(sized(int(sys.argv[2])), expected_generation=0)
    print("won")
except errors.StaleResource:
    print("lost")
"""
    processes = [spawn(script, layout.run_path, str(number)) for number in range(1, 5)]
    said = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(said) == ["lost", "lost", "lost", "won"]
    winner = said.index("won") + 1
    assert Store(layout).load(CELL, model.CellDoc).spec.containers[0].args[0] == "x" * winner


def test_a_reader_never_sees_half_a_document(layout: Layout) -> None:
    store = Store(layout)
    store.save(cell())
    writer = spawn(
        "store = Store(layout)\nfor n in range(200):\n    store.save(sized(n % 2 * 5000 + 1))", layout.run_path
    )
    seen = 0
    while writer.poll() is None or seen < 50:
        assert len(store.load(CELL, model.CellDoc).spec.containers) == 1
        assert [doc.metadata.name for doc in store.docs("Cell")] == ["c"]
        seen += 1
    finish(writer)


def test_a_killed_writer_leaves_the_old_or_the_new_document(layout: Layout) -> None:
    script = """
store = Store(layout)
print("ready", flush=True)
n = 0
while True:
    n += 1
    store.save(sized(n % 3000 + 1))
    if n % 3 == 0:
        store.delete(CELL)
        store.save(sized(1))
"""
    chance = random.Random(7)
    for _ in range(12):
        writer = spawn(script, layout.run_path)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        # The moment of the kill is the point of the test; nothing is waited for.
        time.sleep(chance.uniform(0, 0.05))
        writer.kill()
        writer.communicate()
        survivor = Store(layout)
        scan = survivor.scan(model.CellDoc)
        assert scan.problems == ()
        for doc in scan.docs:
            assert len(set(doc.spec.containers[0].args)) == 1
        with flock.hold_run_path(layout.run_path):
            assert Store(layout, exclusive=True).open() == ()
        swept = {path.name for path in Path(layout.data).rglob("*") if path.name.startswith(".")}
        assert swept == set()
    assert Store(layout).save(cell(size=9)).spec.containers[0].args[0] == "x" * 9


EVERY_CALL = """
import os

store = Store(layout)
old = store.save(sized(1))
calls = ("open", "mkdir", "fchmod", "write", "fsync", "close", "rename", "unlink", "rmdir")
real = {name: getattr(os, name) for name in calls}

def dies_at(last, action):
    # Forks are safe here: nothing but this script runs.
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    made = 0
    def dying(name):
        def call(*arguments, **keywords):
            nonlocal made
            made += 1
            if made > last:
                os._exit(9)
            return real[name](*arguments, **keywords)
        return call
    for name in calls:
        setattr(os, name, dying(name))
    action()
    os._exit(0)

def saves():
    store.save(sized(5000))

def creates():
    other = sized(1)
    spec = msgspec.structs.replace(other.spec, stack_id="u")
    store.save(msgspec.structs.replace(other, spec=spec))

def deletes():
    store.delete(CELL)

deaths = 0
for action in (saves, creates, deletes):
    last = 0
    while dies_at(last, action):
        last += 1
        deaths += 1
        scan = Store(layout).scan(model.CellDoc)
        assert scan.problems == (), (action, last)
        assert {len(doc.spec.containers[0].args[0]) for doc in scan.docs} <= {1, 5000}, (action, last)
        assert scan.docs or action is deletes, (action, last)
        assert Store(layout, exclusive=True).open() == ()
        store.save(sized(1))
        if action is creates:
            store.delete(Ref("r", "s", "u", "c"))
print(deaths)
"""


def test_death_before_any_system_call_leaves_the_old_or_the_new(layout: Layout) -> None:
    result = spawn(EVERY_CALL, layout.run_path)
    said, complaint = result.communicate(timeout=120)
    assert result.returncode == 0, complaint
    assert int(said) > 40


def test_changes_are_refused_while_a_daemon_holds_the_run_path(layout: Layout) -> None:
    stored = Store(layout).save(cell())
    with flock.hold_run_path(layout.run_path):
        outside = Store(layout)
        changes = (
            lambda: outside.save(cell(size=2)),
            lambda: outside.delete(CELL),
            lambda: outside.update(CELL, model.CellDoc, lambda _: cell(size=2)),
        )
        for change in changes:
            with pytest.raises(errors.RunPathLocked, match=str(os.getpid())):
                change()
        assert outside.load(CELL) == stored
        assert Store(layout, exclusive=True).save(cell(size=3)).metadata.generation == 2
        assert outside.load(CELL, model.CellDoc).metadata.generation == 2


def test_threads_that_work_side_by_side_lose_nothing(layout: Layout) -> None:
    store = Store(layout, exclusive=True)
    refs = [Ref("r", "s", f"t{number % 2}", f"c{number % 5}") for number in range(10)]
    for ref in set(refs):
        store.save(cell(ref))
    failures: list[BaseException] = []

    def work(ref: Ref, key: str) -> None:
        def bump(doc: model.CellDoc) -> model.CellDoc:
            count = str(int(doc.metadata.labels.get(key, "0")) + 1)
            labels = {**doc.metadata.labels, key: count}
            return msgspec.structs.replace(doc, metadata=msgspec.structs.replace(doc.metadata, labels=labels))

        temporary = Ref("r", "s", "t0", f"x{key}")
        try:
            for _ in range(10):
                store.update(ref, model.CellDoc, bump)
                store.save(cell(temporary))
                store.delete(temporary)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(ref, str(number))) for number, ref in enumerate(refs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    counts = [doc.metadata.labels for doc in store.docs(model.CellDoc)]
    assert sorted(count for labels in counts for count in labels.values()) == ["10"] * 10
    assert Store(layout).docs("Cell") == store.docs("Cell")


FULL_DISK = """
import os
from pathlib import Path
from kukeon_runner.subnets import Subnets

store = Store(layout, exclusive=sys.argv[2] == "exclusive")
old = store.save(sized(10))
room = os.statvfs(sys.argv[1])
Path(sys.argv[1], "ballast").write_bytes(b"x" * (room.f_bavail * room.f_frsize))
try:
    store.save(sized(20000))
    sys.exit("a document larger than the disk was stored")
except errors.HostError as exc:
    assert "no space left" in str(exc) and layout.metadata(CELL) in str(exc), exc
    assert exc.hint
assert store.load(CELL) == old
assert Store(layout).load(CELL) == old
other = Ref("r", "s", "u", "new")
doc = sized(20000)
doc = msgspec.structs.replace(
    doc, metadata=model.Metadata(name="new"), spec=msgspec.structs.replace(doc.spec, stack_id="u")
)
try:
    store.save(doc)
    sys.exit("a document larger than the disk was stored")
except errors.HostError as exc:
    assert "no space left" in str(exc), exc
assert store.find(other) is None and store.docs("Cell") == [old] and store.leftovers(Ref("r", "s")) == ["t"]
assert not os.path.exists(layout.stack_dir(Ref("r", "s", "u")))
try:
    Subnets(layout, exclusive=True).allocate(Ref("r", "s"), ())
except errors.HostError as exc:
    assert "no space left" in str(exc), exc
    assert Subnets(layout).find(Ref("r", "s")) is None
Path(sys.argv[1], "ballast").unlink()
assert store.save(sized(20)).metadata.generation == 2
print("intact")
"""


@pytest.mark.kernel
@pytest.mark.parametrize("mode", ["exclusive", "shared"])
def test_a_full_disk_leaves_what_was_stored(tmp_path: Path, mode: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    # In a mount namespace of its own, so that nothing stays mounted whatever happens.
    enter = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    script = Path(tmp_path, "full_disk.py")
    script.write_text(PRELUDE + FULL_DISK)
    mount_and_run = 'mount -t tmpfs -o size=256k none "$2"; exec "$1" "$3" "$2" "$4"'
    command = [*enter, "sh", "-ec", mount_and_run, "sh", sys.executable, str(disk), str(script), mode]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout == "intact\n", result.stderr
