"""`kuke start`, `stop`, `kill`, `restart`: both ways to write them, names and selectors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model

if TYPE_CHECKING:
    from memory_client import MemoryClient

    from conftest import Kuke

WEB = model.Ref("default", "default", "default", "web")
API = model.Ref("default", "default", "default", "api")


@pytest.fixture(autouse=True)
def web(memory: MemoryClient) -> None:
    memory.load("default", "docker.io/library/busybox:latest")
    memory.put(WEB, labels={"app": "shop", "tier": "front"})


def state(memory: MemoryClient, ref: model.Ref = WEB) -> str:
    return str(memory.docs[ref].status.state)


@pytest.mark.parametrize(
    ("line", "out"),
    [
        (("start", "web"), 'Cell "web" already runs\n'),
        (("stop", "web"), 'Stopped cell "web" from stack "default"\n'),
        (("stop", "cell", "web"), 'Stopped cell "web" from stack "default"\n'),
        (("kill", "ce", "web", "-o", "name"), "cell/web\n"),
        (("sto", "container", "web", "--cell", "web"), 'Stopped container "web" from cell "web"\n'),
        (("k", "co", "web", "--cell", "web"), 'Killed container "web" from cell "web"\n'),
        (("restart", "web"), 'Restarted cell "web" from stack "default"\n'),
        (("res", "cells", "web"), 'Restarted cell "web" from stack "default"\n'),
        (("restart", "container", "web", "--cell", "web"), 'Restarted container "web" from cell "web"\n'),
        (("stop", "--stack", "default", "web"), 'Stopped cell "web" from stack "default"\n'),
        (("stop", "--stack", "default", "cell", "web"), 'Stopped cell "web" from stack "default"\n'),
        (("stop", "--cell", "web", "container", "web"), 'Stopped container "web" from cell "web"\n'),
        (("stop", "--stack=default", "-o", "name", "web"), "cell/web\n"),
    ],
)
def test_each_verb_in_each_form(kuke: Kuke, line: tuple[str, ...], out: str) -> None:
    result = kuke(*line)
    assert (result.code, result.out, result.err) == (0, out, "")


@pytest.mark.parametrize("name", ["cell", "co", "containers"])
def test_a_cell_that_is_called_like_a_noun_needs_the_noun(kuke: Kuke, memory: MemoryClient, name: str) -> None:
    memory.put(model.Ref("default", "default", "default", name))
    assert kuke("stop", "cell", name).out == f'Stopped cell "{name}" from stack "default"\n'


def test_restart_starts_what_does_not_run(kuke: Kuke, memory: MemoryClient) -> None:
    kuke("stop", "web")
    assert state(memory) == "Stopped"
    assert kuke("restart", "web").out == 'Cell "web" did not run and was started\n'
    assert state(memory) == "Ready"


@pytest.mark.parametrize("verb", ["start", "stop", "kill", "restart"])
@pytest.mark.parametrize("output", ["table", "wide", "yaml", "json", "name"])
def test_a_failure_has_the_same_code_in_each_format(kuke: Kuke, memory: MemoryClient, verb: str, output: str) -> None:
    memory.trouble[f"{verb}_cell"] = [errors.Conflict("cannot: because")]
    result = kuke(verb, "web", "-o", output)
    assert (result.code, result.out, result.err) == (5, "", "Error: cannot: because\n")


def test_results_for_programs(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(API)
    one = json.loads(kuke("stop", "web", "-o", "json").out)
    assert (one["stopped"], one["cell"]["status"]["state"]) == (True, "Stopped")
    assert [each["stopped"] for each in json.loads(kuke("stop", "web", "api", "-o", "json").out)] == [False, True]


def test_a_selector_means_all_scopes_that_no_flag_narrows(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(API, labels={"app": "shop"})
    for ref in (("default", "blue"), ("default", "blue", "demo")):
        memory.put(model.Ref(*ref))
    other = model.Ref("default", "blue", "demo", "other")
    memory.put(other, labels={"app": "shop"})
    result = kuke("stop", "-l", "app=shop,tier!=front", "-o", "name")
    assert (result.code, result.out) == (0, "cell/other\ncell/api\n")
    kuke("start", "-l", "app=shop")
    assert kuke("stop", "-l", "app=shop", "--space", "blue", "-o", "name").out == "cell/other\n"
    assert kuke("stop", "cell", "-l", "tier", "-o", "json").out.startswith("[")


def test_a_selector_of_containers_goes_by_their_own_labels(kuke: Kuke, memory: MemoryClient) -> None:
    line = ("create", "container", "log", "--cell", "web", "--image", "busybox", "--label", "side=car")
    assert kuke(*line).code == 0
    assert kuke("stop", "container", "-l", "side=car", "-o", "name").out == "container/log\n"
    assert kuke("get", "containers", "-l", "side", "-o", "name").out == "container/log\n"


def test_no_match_is_no_error(kuke: Kuke) -> None:
    result = kuke("stop", "-l", "app=none")
    assert (result.code, result.out, result.err) == (0, "", "No cells matched the selector.\n")
    assert kuke("stop", "-l", "app=none", "-o", "json").out == "[]\n"


def test_one_failure_stops_none_of_the_others(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(API, labels={"app": "shop"})
    memory.trouble["stop_cell"] = [errors.HostError("cannot stop it")]
    result = kuke("stop", "-l", "app=shop")
    assert (result.code, result.out) == (9, 'Stopped cell "web" from stack "default"\n')
    assert result.err == "Error: cannot stop it\n"
    memory.trouble["stop_cell"] = [errors.HostError("one"), errors.Conflict("two")]
    assert kuke("stop", "-l", "app=shop").code == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("start",), "cell name is required"),
        (("start", "container", "--cell", "web"), "container name is required"),
        (("start", "container", "web"), "cell name is required (--cell)"),
        (("start", "web", "-l", "app=shop"), "give names or -l/--selector, not both"),
        (("start", "-l", "a=b=c=(("), "(-l)"),
        (("start", "-l", ""), "empty label selector"),
        (("start", "web", "--cell", "x"), "--cell is for containers"),
        (("start", "web", "--bogus"), "no such option"),
        (("get", "cell", "web", "-l", "app=shop"), "not both"),
        (("get", "cells", "-l", "=="), "(-l)"),
        (("delete", "cell", "web", "-l", "app=shop"), "not both"),
    ],
)
def test_wrong_usage(kuke: Kuke, line: tuple[str, ...], words: str) -> None:
    result = kuke(*line)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


def test_get_selects(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(API, labels={"app": "other"})
    assert kuke("get", "cells", "-l", "app in (shop, x)", "-o", "name").out == "cell/web\n"
    assert kuke("get", "cells", "-l", "app!=shop", "-o", "name").out == "cell/api\n"
    result = kuke("get", "cells", "-l", "app=none")
    assert (result.code, result.out, result.err) == (0, "", "No cells found.\n")
