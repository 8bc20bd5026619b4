"""Each kind comes by `create` and goes by `delete` and by `purge`; containerd, cgroups, files and networks agree."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kuketest import manifests, traces, witness
from kuketest.instance import Instance
from kuketest.waiting import until_equal

REALM = ("--realm", "lab")
SPACE = (*REALM, "--space", "net")
STACK = (*SPACE, "--stack", "tier")
CELL = (*STACK, "--cell", "web")
SCOPES = {"realm": (), "space": REALM, "stack": SPACE, "cell": STACK, "container": CELL}
NAMES = {"realm": "lab", "space": "net", "stack": "tier", "cell": "web", "container": "side"}
PLACE = ("lab", "net", "tier", "web")
ROOT, MAIN, SIDE = "net_tier_web_root", "net_tier_web_main", "net_tier_web_side"
SLEEP = ("-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done")


@pytest.fixture
def lab(either: Instance) -> Iterator[Instance]:
    """For a story about the realm "lab": when it fails half-way, what it made goes."""
    yield either
    if witness.document(either, "lab").parent.exists():
        either.kuke("purge", "realm", "lab", "--cascade")


def create(kukeon: Instance, kind: str) -> str:
    """Create the resource by flags, as a person would; the realm gets the image on the way."""
    more: tuple[str, ...] = ()
    if kind == "cell":
        more = ("--image", manifests.IMAGE, "--", "/bin/sh", *SLEEP)
    if kind == "container":
        more = ("--image", manifests.IMAGE, "--command", "/bin/sh", *(f"--args={word}" for word in SLEEP))
    done = kukeon.kuke("create", kind, NAMES[kind], *SCOPES[kind], *more)
    kukeon.remember_shims()
    return done.out


def shown(kukeon: Instance, kind: str) -> dict[str, object]:
    """What `get` says of the one, which must be among those that `get` lists."""
    found = kukeon.kuke("get", kind, NAMES[kind], *SCOPES[kind], "-o", "json").json()
    assert witness.listed(kukeon, kind, *SCOPES[kind])[NAMES[kind]]["spec"] == found["spec"]
    status = found["status"]
    assert status["state"] == "Ready", status
    if kind != "container":
        (path, *_) = witness.cgroups(kukeon, *PLACE[: list(NAMES).index(kind) + 1])
        assert str(path).endswith(status["cgroupPath"])
    return dict(status)


def check_realm(kukeon: Instance) -> None:
    shown(kukeon, "realm")
    assert witness.document(kukeon, *PLACE[:1]).exists()
    assert witness.namespace(kukeon, "lab") in witness.namespaces(kukeon)
    assert witness.listed(kukeon, "space", *REALM) == {}, "a realm comes without children"


def check_space(kukeon: Instance) -> None:
    shown(kukeon, "space")
    assert witness.document(kukeon, *PLACE[:2]).exists()
    assert witness.bridge(kukeon, "lab", "net") in traces.links()


def check_stack(kukeon: Instance) -> None:
    shown(kukeon, "stack")
    assert witness.document(kukeon, *PLACE[:3]).exists()


def check_cell(kukeon: Instance) -> None:
    status = shown(kukeon, "cell")
    assert witness.document(kukeon, *PLACE).exists()
    assert witness.records(kukeon, "lab") == {ROOT, MAIN}
    assert witness.running(kukeon, "lab") == {ROOT, MAIN}
    check_in_cgroup(kukeon, ROOT)
    check_in_cgroup(kukeon, MAIN)
    assert status["network"]


def check_container(kukeon: Instance) -> None:
    shown(kukeon, "container")
    assert witness.running(kukeon, "lab") == {ROOT, MAIN, SIDE}
    check_in_cgroup(kukeon, SIDE)


def check_in_cgroup(kukeon: Instance, id: str) -> None:
    """The task's process is in `<cell's cgroup>/<id>`, in every hierarchy."""
    pid, _ = witness.tasks(kukeon, "lab")[id]
    for cgroup in witness.cgroups(kukeon, *PLACE):
        assert pid in witness.members(cgroup / id), f"{pid} of {id} is not in {cgroup}"


CHECKS: dict[str, Callable[[Instance], None]] = {
    "realm": check_realm,
    "space": check_space,
    "stack": check_stack,
    "cell": check_cell,
    "container": check_container,
}


def create_all(kukeon: Instance, archive: Path, *, check: bool) -> None:
    for kind in NAMES:
        out = create(kukeon, kind)
        assert f'{kind.capitalize()} "{NAMES[kind]}"' in out, out
        assert "created" in out
        if kind == "realm":
            kukeon.kuke("image", "load", str(archive), *REALM)
        if check:
            CHECKS[kind](kukeon)


def remove_all(kukeon: Instance, verb: str) -> None:
    """Remove innermost first; each leaves nothing of itself and everything above."""
    bridge = witness.bridge(kukeon, "lab", "net")
    for kind in reversed(NAMES):
        kukeon.kuke(verb, kind, NAMES[kind], *SCOPES[kind])
        gone = kukeon.kuke("get", kind, NAMES[kind], *SCOPES[kind], code=3)
        assert NAMES[kind] in gone.err
        assert re.search("cannot find|not found", gone.err), gone
        depth = list(NAMES).index(kind) + 1
        if kind == "container":
            assert witness.records(kukeon, "lab") == witness.tasks(kukeon, "lab").keys() == {ROOT, MAIN}
            continue
        assert not witness.document(kukeon, *PLACE[:depth]).parent.exists()
        assert witness.cgroups(kukeon, *PLACE[:depth]) == []
        match kind:
            case "cell":
                assert witness.records(kukeon, "lab") == set(witness.tasks(kukeon, "lab")) == set()
            case "space":
                assert not witness.conflist(kukeon, "lab", "net").exists()
                assert bridge not in traces.links()
            case "realm":
                assert witness.namespace(kukeon, "lab") not in witness.namespaces(kukeon)
        if depth > 1:
            parent = list(NAMES)[depth - 2]
            assert witness.listed(kukeon, kind, *SCOPES[kind]) == {}
            assert NAMES[parent] in witness.listed(kukeon, parent, *SCOPES[parent])


@pytest.mark.vm
@pytest.mark.scenario(13, 14)
@pytest.mark.exercises(
    *("CreateRealm", "CreateSpace", "CreateStack", "CreateCell", "CreateContainer"),
    *("GetRealm", "GetSpace", "GetStack", "GetCell", "GetContainer"),
    *("ListRealms", "ListSpaces", "ListStacks", "ListCells", "ListContainers"),
    *("DeleteRealm", "DeleteSpace", "DeleteStack", "DeleteCell", "DeleteContainer"),
)
def test_each_kind_is_created_and_deleted(lab: Instance, image_archive: Path) -> None:
    create_all(lab, image_archive, check=True)
    remove_all(lab, "delete")


@pytest.mark.scenario(15)
@pytest.mark.exercises("PurgeRealm", "PurgeSpace", "PurgeStack", "PurgeCell", "PurgeContainer")
def test_each_kind_is_purged(lab: Instance, image_archive: Path) -> None:
    create_all(lab, image_archive, check=False)
    remove_all(lab, "purge")


@pytest.mark.scenario(15)
@pytest.mark.exercises("PurgeRealm", "PurgeSpace", "PurgeStack", "PurgeCell", "PurgeContainer")
def test_what_never_was_is_purged_quietly(lab: Instance) -> None:
    for kind, name in NAMES.items():
        assert "Purged" not in lab.kuke("purge", kind, name, *SCOPES[kind]).err


@pytest.mark.scenario(15)
@pytest.mark.exercises("PurgeRealm")
def test_what_is_left_without_metadata_is_purged(lab: Instance, image_archive: Path) -> None:
    create_all(lab, image_archive, check=False)
    for place in (PLACE, PLACE[:2], PLACE[:1]):
        witness.document(lab, *place).unlink()
    bridge = witness.bridge(lab, "lab", "net")
    if lab.daemon is not None:
        # kukeond keeps documents in memory; a restart is how it meets the loss.
        lab.stop()
        lab.start()
    lab.kuke("purge", "realm", "lab", "--cascade")
    assert witness.namespace(lab, "lab") not in witness.namespaces(lab)
    assert witness.cgroups(lab, "lab") == []
    assert bridge not in traces.links()
    assert not witness.document(lab, "lab").parent.exists()


@pytest.mark.scenario(16)
@pytest.mark.parametrize("kind", ["space", "stack", "cell", "container"])
def test_names_that_are_no_names(either: Instance, kind: str) -> None:
    scope = {
        "space": (),
        "stack": (),
        "cell": ("--image", manifests.IMAGE),
        "container": ("--cell", "web", "--image", manifests.IMAGE),
    }[kind]
    before = set((either.run_path / "data").rglob("*"))
    for name in ("a_b", "a/b"):
        refused = either.kuke("create", kind, name, *scope, code=2)
        assert kind in refused.err.lower(), refused
        assert name in refused.err, refused
        assert refused.out == ""
    assert set((either.run_path / "data").rglob("*")) == before


@pytest.mark.exercises("PurgeCell", "RefreshAll")
def test_refresh_tells_and_repairs_nothing(either: Instance) -> None:
    either.apply(manifests.sleeper("seen"))
    pid = either.task_pid("main", "seen")
    assert "seen" not in either.kuke("refresh").out.split("Updated:")[1]
    spec = either.cell("seen")["spec"]
    if either.daemon is None:
        either.ctr("tasks", "kill", "--signal", "SIGKILL", "default_default_seen_main")
        until_equal(lambda: either.find_task_pid("main", "seen"), None, "the task's end")
        assert "seen" in either.kuke("refresh").out.split("Updated:")[1]
    else:
        assert either.task_pid("main", "seen") == pid
    assert either.cell("seen")["spec"] == spec
    either.kuke("purge", "cell", "seen")
