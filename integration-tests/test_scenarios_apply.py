"""`kuke apply -f` and `kuke delete -f`: manifests of every kind, alone and together, come, change and go."""

import json
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from kuketest import manifests, traces, witness
from kuketest.instance import Done, Instance

TESTDATA = Path(__file__).parent / "testdata"
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

NAMES = {"REALM": "apply", "SPACE": "net", "STACK": "tier", "CELL": "web"}
PLACE = tuple(NAMES.values())
SCOPE = ("--realm", "apply", "--space", "net", "--stack", "tier")
ROOT, MAIN, SIDE = "net_tier_web_root", "net_tier_web_main", "net_tier_web_side"
DEPTHS = {"realm": 1, "space": 2, "stack": 3, "cell": 4}


def manifest(*names: str) -> str:
    """Manifests of testdata as one stream, with the names of this story in them."""
    return "\n---\n".join(string.Template((TESTDATA / f"{name}.yaml").read_text()).substitute(NAMES) for name in names)


def delete(kukeon: Instance, text: str, *options: str) -> Done:
    return kukeon.kuke("delete", "-f", "-", *options, manifest=text)


@pytest.fixture
def empty(either: Instance) -> Iterator[Instance]:
    """Nothing of the story is there; whatever it makes goes."""
    yield either
    if witness.document(either, "apply").parent.exists():
        either.kuke("purge", "realm", "apply", "--cascade")


@pytest.fixture
def realm(empty: Instance, image_archive: Path) -> Instance:
    """The story's realm, with the image in it."""
    assert 'Realm "apply": created' in empty.apply(manifest("realm")).out
    empty.kuke("image", "load", str(image_archive), "--realm", "apply")
    return empty


@pytest.fixture
def whole(realm: Instance) -> Instance:
    """Realm, space, stack and a running cell."""
    realm.apply(manifest("multi"))
    return realm


def check_there(kukeon: Instance, kind: str) -> None:
    place = PLACE[: DEPTHS[kind]]
    shown = kukeon.kuke("get", kind, place[-1], *SCOPE[: 2 * len(place) - 2], "-o", "json").json()
    assert shown["status"]["state"] == "Ready"
    (cgroup, *_) = witness.cgroups(kukeon, *place)
    assert str(cgroup).endswith(shown["status"]["cgroupPath"])
    assert json.loads(witness.document(kukeon, *place).read_text())["metadata"]["name"] == place[-1]
    match kind:
        case "realm":
            assert witness.namespace(kukeon, "apply") in witness.namespaces(kukeon)
        case "space":
            assert witness.bridge(kukeon, "apply", "net") in traces.links()
        case "cell":
            assert witness.running(kukeon, "apply") >= {ROOT, MAIN}
            for id in (ROOT, MAIN):
                assert witness.tasks(kukeon, "apply")[id][0] in witness.members(cgroup / id)


def check_gone(kukeon: Instance, kind: str) -> None:
    place = PLACE[: DEPTHS[kind]]
    assert not witness.document(kukeon, *place).parent.exists()
    assert witness.cgroups(kukeon, *place) == []
    assert kukeon.kuke("get", kind, place[-1], *SCOPE[: 2 * len(place) - 2], code=3).out == ""


@pytest.mark.vm
@pytest.mark.scenario(21, 22)
@pytest.mark.exercises("ApplyDocuments")
def test_every_manifest_applies_one_after_the_other(realm: Instance) -> None:
    check_there(realm, "realm")
    for kind in ("space", "stack", "cell"):
        assert f'{kind.capitalize()} "{PLACE[DEPTHS[kind] - 1]}": created' in realm.apply(manifest(kind)).out
        check_there(realm, kind)
    assert 'Container "side": created' in realm.apply(manifest("container")).out
    assert witness.running(realm, "apply") == {ROOT, MAIN, SIDE}
    pids = witness.tasks(realm, "apply")
    for name in ("realm", "space", "stack", "container"):
        assert ": unchanged" in realm.apply(manifest(name)).out
    assert witness.tasks(realm, "apply") == pids


@pytest.mark.scenario(21)
@pytest.mark.exercises("ApplyDocuments", "DeleteDocuments")
def test_every_example_applies(either: Instance) -> None:
    for path in sorted(EXAMPLES.glob("*.yaml")):
        done = either.apply(path.read_text())
        assert "failed" not in done.out
        assert ": created" in done.out
        assert "changed" not in either.apply(path.read_text()).out.replace("unchanged", "")
        either.kuke("delete", "-f", str(path))


@pytest.mark.scenario(23, 25, 27)
@pytest.mark.exercises("ApplyDocuments", "DeleteDocuments")
def test_all_kinds_in_one_stream_come_and_go(realm: Instance) -> None:
    done = realm.apply(manifest("multi"))
    lines = [line for line in done.out.splitlines() if line.startswith(("Realm", "Space", "Stack", "Cell"))]
    assert [line.split()[0] for line in lines] == ["Realm", "Space", "Stack", "Cell"], "parents first"
    for kind in DEPTHS:
        check_there(realm, kind)
    bridge = witness.bridge(realm, "apply", "net")

    gone = delete(realm, manifest("multi"))
    lines = [line for line in gone.out.splitlines() if ": deleted" in line]
    assert [line.split()[0] for line in lines] == ["Cell", "Stack", "Space", "Realm"], "children first"
    for kind in reversed(DEPTHS):
        check_gone(realm, kind)
    assert witness.namespace(realm, "apply") not in witness.namespaces(realm)
    assert bridge not in traces.links()

    again = delete(realm, manifest("multi"))
    assert again.out.count(": not found") == 4, again


@pytest.mark.scenario(24, 27)
@pytest.mark.exercises("DeleteDocuments")
def test_a_realm_by_its_manifest(realm: Instance) -> None:
    assert 'Realm "apply": deleted' in delete(realm, manifest("realm")).out
    check_gone(realm, "realm")
    assert witness.namespace(realm, "apply") not in witness.namespaces(realm)
    assert 'Realm "apply": not found' in delete(realm, manifest("realm")).out


@pytest.mark.scenario(26)
@pytest.mark.exercises("DeleteDocuments")
def test_a_realm_by_its_manifest_with_everything_inside(whole: Instance) -> None:
    refused = whole.kuke("delete", "-f", "-", manifest=manifest("realm"), code=5)
    assert "1 space" in refused.err + refused.out
    assert "--cascade" in refused.err
    check_there(whole, "cell")
    done = delete(whole, manifest("realm"), "--cascade")
    assert 'Realm "apply": deleted' in done.out
    for kind in DEPTHS:
        check_gone(whole, kind)


@pytest.mark.scenario(28)
@pytest.mark.exercises("DeleteDocuments")
def test_cell_stack_and_space_by_their_manifests(whole: Instance) -> None:
    bridge = witness.bridge(whole, "apply", "net")
    for kind in ("cell", "stack", "space"):
        assert ": deleted" in delete(whole, manifest(kind)).out
        check_gone(whole, kind)
        if kind == "cell":
            assert witness.records(whole, "apply") == set(witness.tasks(whole, "apply")) == set()
        check_there(whole, {"cell": "stack", "stack": "space", "space": "realm"}[kind])
    assert bridge not in traces.links()


@pytest.mark.scenario(29)
@pytest.mark.exercises("DeleteDocuments")
def test_a_container_by_its_manifest(whole: Instance) -> None:
    whole.apply(manifest("container"))
    assert SIDE in witness.running(whole, "apply")
    assert 'Container "side": deleted' in delete(whole, manifest("container")).out
    assert witness.records(whole, "apply") == {ROOT, MAIN}
    assert witness.running(whole, "apply") == {ROOT, MAIN}
    stored = json.loads(witness.document(whole, *PLACE).read_text())
    assert [each["id"] for each in stored["spec"]["containers"]] == ["main"]
    assert 'Container "side": not found' in delete(whole, manifest("container")).out


@pytest.mark.exercises("ApplyDocuments")
def test_what_differs_is_told_first_and_done_after(whole: Instance) -> None:
    changed = manifest("multi").replace('metadata: {name: "web"}', "metadata: {name: web, labels: {tier: back}}")
    pids = witness.tasks(whole, "apply")
    told = whole.kuke("diff", "-f", "-", manifest=changed, code=10)
    assert "tier" in told.out
    assert "updated" in whole.kuke("apply", "-f", "-", "--dry-run", manifest=changed).out
    assert whole.kuke("diff", "-f", "-", manifest=manifest("multi")).code == 0
    assert 'Cell "web": updated' in whole.apply(changed).out
    assert witness.tasks(whole, "apply") == pids, "a label starts nothing anew"
    assert whole.kuke("diff", "-f", "-", manifest=changed).code == 0

    other = changed.replace("sleep 3600", "sleep 1800")
    assert 'Cell "web": ' in whole.apply(other).out
    after = witness.tasks(whole, "apply")
    assert after[MAIN][0] != pids[MAIN][0]
    assert after[MAIN][1] == "RUNNING"
    whole.kuke("kill", "cell", "web", *SCOPE)
    assert 'Cell "web": updated' in whole.apply(other).out, "apply starts what was killed"
    assert witness.running(whole, "apply") == {ROOT, MAIN}


@pytest.mark.exercises("ApplyDocuments")
def test_prune_removes_what_no_manifest_describes(whole: Instance) -> None:
    labelled = manifest("stack").replace("name: tier", "name: extra\n  labels: {story: prune}")
    whole.apply(labelled)
    done = whole.kuke("apply", "-f", "-", "--prune", "-l", "story=prune", manifest=manifest("realm"))
    assert 'Stack "extra": pruned' in done.out
    check_there(whole, "cell")
    assert not witness.document(whole, "apply", "net", "extra").exists()


def test_a_manifest_that_is_not_there(either: Instance) -> None:
    for verb in ("apply", "delete", "diff"):
        missing = either.kuke(verb, "-f", "nowhere.yaml", code=None)
        assert missing.code in {1, 2, 3}
        assert "nowhere.yaml" in missing.err
    assert manifests.IMAGE in (TESTDATA / "cell.yaml").read_text(), "the manifests name the image that the suite has"
