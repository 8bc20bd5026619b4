"""`kuke delete` and `kuke purge`: one, several, selected, from files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kukeon_api import model

if TYPE_CHECKING:
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke

WEB = model.Ref("default", "default", "default", "web")
SHOP = """\
kind: Realm
metadata: {name: shop}
---
kind: Space
metadata: {name: net}
spec: {realmId: shop}
---
kind: Stack
metadata: {name: front}
spec: {realmId: shop, spaceId: net}
---
kind: Cell
metadata: {name: web}
spec:
  realmId: shop
  spaceId: net
  stackId: front
  containers: [{id: web, image: busybox}]
"""


@pytest.fixture(autouse=True)
def web(memory: MemoryClient) -> None:
    memory.load("default", "docker.io/library/busybox:latest")
    memory.put(WEB, labels={"app": "shop"})


@pytest.fixture
def shop(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> str:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP)
    kuke("create", "realm", "shop")
    memory.load("shop", "docker.io/library/busybox:latest")
    assert kuke("apply", "-f", str(path)).code == 0
    return str(path)


def test_levels(kuke: Kuke) -> None:
    refused = kuke("delete", "space", "default")
    assert refused.code == 5
    assert "1 stack inside\nhint: delete them first, or pass --cascade" in refused.err
    assert kuke("delete", "cell", "web").out == 'Deleted cell "web" from stack "default"\n'
    assert kuke("delete", "cell", "web").code == 3
    done = kuke("d", "sp", "default", "--cascade")
    assert (done.code, done.out) == (0, 'Deleted space "default" from realm "default"\n')
    assert kuke("delete", "realm", "default", "-o", "name").out == "realm/default\n"


def test_a_container(kuke: Kuke, memory: MemoryClient) -> None:
    assert kuke("delete", "co", "web", "--cell", "web").out == 'Deleted container "web" from cell "web"\n'
    assert kuke("get", "container", "web", "--cell", "web").code == 3


def test_selected(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(model.Ref("default", "default", "default", "api"))
    assert kuke("delete", "cell", "-l", "app=shop", "-o", "name").out == "cell/web\n"
    result = kuke("delete", "cell", "-l", "app=shop")
    assert (result.code, result.err) == (0, "No cells matched the selector.\n")
    assert kuke("get", "cells", "-o", "name").out == "cell/api\n"


@pytest.mark.parametrize("where", ["before", "after", "environment"])
@pytest.mark.parametrize("verb", ["delete", "purge"])
@pytest.mark.parametrize("flag", ["cascade", "force"])
def test_the_switches_stand_anywhere(kuke: Kuke, memory: MemoryClient, where: str, verb: str, flag: str) -> None:
    environ = {f"KUKE_{verb.upper()}_{flag.upper()}": "true"} if where == "environment" else {}
    line = [verb, "realm", "default"]
    if where != "environment":
        line.insert(1 if where == "before" else 3, f"--{flag}")
    result = kuke(*line, environ=environ)
    assert (result.code, result.err) == (0, "")
    assert model.Ref("default") not in memory.docs


@pytest.mark.parametrize("noun", ["cell", "container"])
@pytest.mark.parametrize("verb", ["delete", "purge"])
@pytest.mark.parametrize("flag", ["--cascade", "--force"])
def test_the_switches_are_refused_where_nothing_is_inside(
    kuke: Kuke, memory: MemoryClient, verb: str, noun: str, flag: str
) -> None:
    scope = ("--cell", "web") if noun == "container" else ()
    for line in ((verb, noun, "web", *scope, flag), (verb, flag, noun, "web", *scope)):
        result = kuke(*line)
        assert (result.code, result.out) == (2, "")
        assert f"{flag} is for what has resources inside; a {noun} has none" in result.err
    variable = f"KUKE_{verb.upper()}_{flag[2:].upper()}"
    assert kuke(verb, noun, "web", *scope, environ={variable: "true"}).code == 0


def test_purge_sweeps_and_is_no_error_twice(kuke: Kuke, memory: MemoryClient) -> None:
    first = kuke("purge", "cell", "web")
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith('Purged cell "web" from stack "default"\n')
    again = kuke("p", "ce", "web")
    assert (again.code, again.out) == (0, 'Nothing is left of cell "web" in stack "default"\n')


def test_what_purge_found_and_could_not_do(kuke: Kuke, memory: MemoryClient) -> None:
    space = model.SpaceDoc(metadata=model.Metadata(name="net"), spec=model.SpaceSpec(realm_id="default"))
    answer = model.PurgeSpaceResult(
        space=space,
        metadata_deleted=True,
        cni_network_deleted=True,
        purge_succeeded=True,
        deleted=("metadata",),
        purged=("orphaned-containers", "cni-resources"),
        warnings=("cannot read the cache",),
    )
    memory.answers["purge_space"] = [answer, answer]
    assert kuke("purge", "space", "net").out.splitlines() == [
        'Purged space "net" from realm "default"',
        "  Deleted resources -> metadata:true cgroup:false cni:true",
        "  Additional resources purged: [orphaned-containers cni-resources]",
        "  warning: cannot read the cache",
    ]
    assert json.loads(kuke("purge", "space", "net", "-o", "json").out)["cniNetworkDeleted"] is True


def test_files_in_reverse_order_and_twice(kuke: Kuke, shop: str) -> None:
    first = kuke("delete", "-f", shop)
    assert (first.code, first.err) == (0, "")
    assert [line for line in first.out.splitlines() if not line.startswith(" ")] == [
        'Cell "web": deleted',
        'Stack "front": deleted',
        'Space "net": deleted',
        'Realm "shop": deleted',
    ]
    again = kuke("delete", "-f", shop)
    assert (again.code, again.out.count("not found")) == (0, 4)


def test_files_with_what_is_inside(kuke: Kuke, shop: str) -> None:
    realm = SHOP.partition("---")[0].encode()
    refused = kuke("delete", "-f", "-", stdin=realm)
    assert (refused.code, refused.out) == (5, 'Realm "shop": failed\n')
    assert "pass --cascade" in refused.err
    assert kuke("delete", "-f", "-", "-o", "json", stdin=realm).code == 5
    done = kuke("delete", "-f", "-", "--cascade", stdin=realm)
    assert done.code == 0
    assert done.out.splitlines()[0] == 'Realm "shop": deleted'
    assert "  - 1 space(s) deleted (cascade)" in done.out


def test_files_of_which_some_fail(kuke: Kuke, shop: str) -> None:
    both = SHOP.partition("---")[0] + "---\nkind: Realm\nmetadata: {name: none}\n"
    result = kuke("delete", "-f", "-", "-o", "name", stdin=both.encode())
    assert result.code == 9
    assert "Error: realm 'shop': " in result.err


def test_files_that_are_wrong_delete_nothing(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(SHOP.replace("realmId: shop, spaceId", "realmId: sh_op, spaceId"))
    result = kuke("delete", "-f", str(path))
    assert (result.code, result.out, memory.received) == (2, "", [])
    assert f"{path}:10: " in result.err
    assert kuke("delete", "-f", str(tmp_path / "none")).code == 2
