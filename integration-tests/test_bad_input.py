"""What is wrong is said whole, with its place, and nothing of it is done."""

from pathlib import Path

import pytest

from kuketest import manifests
from kuketest.instance import Instance

GOOD = manifests.server("innocent")

BAD = {
    "not-yaml": ("apiVersion: v1beta1\nkind: [Cell\n", ["is not YAML", "bad.yaml:"]),
    "unknown-kind": ("apiVersion: v1beta1\nkind: Sell\nmetadata: {name: x}\n", ["Sell", "Cell"]),
    "unknown-field": (
        "apiVersion: v1beta1\nkind: Realm\nmetadata: {name: x}\nspec:\n  namespce: y\n",
        ["namespce", "namespace", "5"],
    ),
    "wrong-type": (
        "apiVersion: v1beta1\nkind: Cell\nmetadata: {name: x}\nspec:\n  realmId: default\n  spaceId: default\n"
        "  stackId: default\n  containers: nope\n",
        ["spec.containers", "8"],
    ),
    "climbing-name": ("apiVersion: v1beta1\nkind: Realm\nmetadata: {name: ../../etc}\n", ["../../etc", "3"]),
    "no-containers": (
        "apiVersion: v1beta1\nkind: Cell\nmetadata: {name: x}\nspec: {realmId: default, spaceId: default,"
        " stackId: default}\n",
        ["spec.containers"],
    ),
    "other-version": ("apiVersion: v9\nkind: Realm\nmetadata: {name: x}\n", ["v9", "v1beta1"]),
    "too-long-id": (
        manifests.sleeper("c" * 60).replace('"spaceId": "default"', f'"spaceId": "{"s" * 60}"'),
        ["76"],
    ),
    "nothing": ("# only a comment\n", ["no documents"]),
}


@pytest.mark.parametrize("case", BAD)
def test_invalid_manifest_applies_nothing(kukeon: Instance, case: str) -> None:
    text, words = BAD[case]
    path = kukeon.home / "bad.yaml"
    path.write_text(text if case == "nothing" else f"{text}---\n{GOOD}")
    refused = kukeon.kuke("apply", "-f", str(path), code=2)
    assert refused.out == ""
    assert refused.err.startswith("Error: "), refused
    for word in words:
        assert word in refused.err, refused
    assert kukeon.kuke("get", "cell", "innocent", code=3).out == ""


def test_every_problem_is_said_with_its_place(kukeon: Instance) -> None:
    path = kukeon.home / "many.yaml"
    path.write_text(
        "apiVersion: v1beta1\nkind: Realm\nmetadata: {name: UPPER}\n---\n"
        "apiVersion: v1beta1\nkind: Space\nmetadata: {name: ok}\nspec: {}\n---\n"
        "apiVersion: v1beta1\nkind: Cell\nmetadata: {name: ok, labls: {}}\nspec: {realmId: default}\n"
    )
    refused = kukeon.kuke("apply", "-f", str(path), code=2)
    for place in ("many.yaml:3", "many.yaml:8", "many.yaml:12", "metadata.name", "spec.realmId", "labls"):
        assert place in refused.err, refused


def test_field_that_nothing_makes_work_yet_is_refused(kukeon: Instance) -> None:
    container = manifests.container("main", "sleep 1") | {"attachable": True, "tty": {"logFile": "/x"}}
    refused = kukeon.apply(manifests.cell("early", container), code=2)
    assert "not supported yet" in refused.err
    assert "tty.logFile" in refused.err


def test_missing_file_and_missing_parent(kukeon: Instance) -> None:
    missing = kukeon.kuke("apply", "-f", "nowhere.yaml", code=None)
    assert missing.code in {1, 2, 3}
    assert "nowhere.yaml" in missing.err
    orphan = kukeon.kuke("create", "stack", "orphan", "--space", "nowhere", code=3)
    assert "space 'default/nowhere'" in orphan.err, orphan
    assert "hint: " in orphan.err


def test_apply_makes_the_parents_that_are_missing(kukeon: Instance) -> None:
    manifest = manifests.sleeper("early").replace('"stackId": "default"', '"stackId": "later"')
    kukeon.apply(manifest)
    assert "later" in kukeon.kuke("get", "stacks", "-o", "name").out
    kukeon.kuke("delete", "stack", "later", "--cascade")


def test_realm_with_children_is_not_deleted(kukeon: Instance) -> None:
    refused = kukeon.kuke("delete", "realm", "default", code=5)
    assert "default" in refused.err
    assert "--cascade" in refused.err


def test_unknown_command_is_usage(kukeon: Instance) -> None:
    refused = kukeon.kuke("aply", code=2)
    assert "aply" in refused.err


def test_huge_manifest_does_not_stop_kukeond(kukeon: Instance, tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    path.write_text("\n".join(lines) + "\n")
    kukeon.kuke("apply", "-f", str(path), code=2)
    kukeon.kuke("get", "realms")
