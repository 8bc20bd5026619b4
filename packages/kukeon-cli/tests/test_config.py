"""`kuke config`: what holds and who says so, for every global setting; and settings files that are wrong."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_cli import settings

if TYPE_CHECKING:
    from conftest import Kuke

# setting -> what each level says; the settings file may not have it.
VALUES = {
    "host": ("unix:///flag", "unix:///environment", "unix:///file", "unix:///run/kukeon/kukeond.sock"),
    "run_path": ("/flag", "/environment", "/file", "/opt/kukeon"),
    "containerd_socket": ("/flag.sock", "/environment.sock", "/file.sock", ""),
    "namespace_suffix": (None, "environment.io", "file.io", ""),
    "cgroup_root": (None, "/environment", "/file", ""),
    "pod_subnet": (None, "10.1.0.0/16", "10.2.0.0/16", ""),
    "no_daemon": ("", "1", None, False),
    "timeout": ("1s", "2s", None, ""),
    "verbose": ("", "true", None, False),
    "log_level": ("debug", "warn", "error", "info"),
}


def home(kuke: Kuke) -> Path:
    return Path(kuke.environ["HOME"]) / ".kuke" / "kuke.yaml"


def write(kuke: Kuke, text: str) -> Path:
    home(kuke).parent.mkdir(exist_ok=True)
    home(kuke).write_text(text)
    return home(kuke)


def test_every_setting_is_tried() -> None:
    assert {each.name for each in settings.GLOBALS} == {*VALUES, "configuration"}


@pytest.mark.parametrize("name", list(VALUES))
@pytest.mark.parametrize("present", [c for n in range(4) for c in itertools.combinations(range(3), n)])
def test_the_nearest_level_wins_and_is_named(kuke: Kuke, name: str, present: tuple[int, ...]) -> None:
    each, levels = settings.GLOBAL[name], VALUES[name]
    said = [level for level in present if levels[level] is not None]
    flags = [each.flag, *([str(levels[0])] if levels[0] else [])] if 0 in said else []
    environ = {each.variable: str(levels[1])} if 1 in said else {}
    file = f"kind: ClientConfiguration\nspec:\n  {each.key}: {levels[2]}\n" if 2 in said else ""
    path = write(kuke, file)
    result = kuke("config", "view", "--show-origin", "-o", "json", *flags, environ=environ)
    assert result.code == 0, result.err
    shown = json.loads(result.out)[each.key or {"no_daemon": "noDaemon"}.get(name, name)]
    wanted = levels[said[0]] if said else levels[3]
    if name in ("no_daemon", "verbose"):
        wanted = bool(said)
    origins = (f"flag {each.flag}", f"environment {each.variable}", f"file {path}")
    unset = "as the run path was made, else default" if each.recorded else "default"
    assert shown == {"value": wanted, "origin": origins[said[0]] if said else unset}


@pytest.mark.parametrize(
    "variable", [each.variable for each in settings.GLOBALS if each.name not in ("run_path", "log_level")]
)
def test_a_variable_counts_even_when_it_is_empty(kuke: Kuke, variable: str) -> None:
    keys = "host: unix:///f, containerdSocket: /f, containerdNamespaceSuffix: f.io, cgroupRoot: /f"
    write(kuke, f"kind: ClientConfiguration\nspec: {{{keys}, podSubnetCIDR: 10.9.0.0/16}}\n")
    result = kuke("config", "view", "--show-origin", "-o", "json", environ={variable: ""})
    each = next(each for each in settings.GLOBALS if each.variable == variable)
    names = {"no_daemon": "noDaemon"}
    shown = json.loads(result.out)[each.key or names.get(each.name, each.name)]
    assert shown["value"] in ("", False)
    if each.name != "verbose":
        assert shown["origin"] == f"environment {variable}"


def test_the_table_is_for_people(kuke: Kuke) -> None:
    lines = kuke("config", "view", "--show-origin", "--run-path", "/srv/k").out.splitlines()
    rows = {line.split()[0]: line.split(None, 2)[1:] for line in lines}
    assert rows["SETTING"] == ["VALUE", "ORIGIN"]
    assert rows["host"] == ["unix:///srv/k/kukeond.sock", "flag --run-path"]
    assert rows["noDaemon"] == ["true", "flag --run-path"]
    assert "ORIGIN" not in kuke("config", "view").out
    assert "setting/host" in kuke("config", "view", "-o", "name").out.splitlines()


def test_where_the_file_is(kuke: Kuke) -> None:
    assert kuke("config", "path").out == f"{home(kuke)}\n"
    shown = json.loads(kuke("config", "path", "-o", "json", environ={"KUKE_CONFIGURATION": "/x.yaml"}).out)
    assert shown == {"path": "/x.yaml", "origin": "environment", "exists": False}
    assert kuke("config", "path", "--configuration", "").out == ""
    assert not home(kuke).exists(), "nothing is written silently"
    write(kuke, "kind: nonsense")
    assert kuke("config", "path").code == 0, "it tells where the wrong file is"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("kind: ClientConfiguration\nspec:\n  hots: unix:///x\n", 3, 'did you mean "host"?'),
        ("kind: ServerConfiguration\n", 1, "not ClientConfiguration"),
        ("kind: ClientConfiguration\nspec:\n  logLevel: inof\n", 3, 'did you mean "info"?'),
        ("kind: ClientConfiguration\nspec:\n  runPath: relative\n", 3, "not an absolute path"),
        ("kind: ClientConfiguration\nspec:\n\thost: x\n", 3, ""),
        ("kind: ClientConfiguration\n---\nkind: ClientConfiguration\n", 3, "one document"),
        ("kind: ClientConfiguration\nspec: {podSubnetCIDR: 10.0.0.0/99}\n", 2, "IPv4 network"),
    ],
)
def test_a_wrong_file_is_told_with_line_and_suggestion(kuke: Kuke, text: str, line: int, words: str) -> None:
    path = write(kuke, text)
    result = kuke("config", "view")
    assert (result.code, result.out) == (2, "")
    assert f"{path}:{line}" in result.err
    assert words in result.err


def test_all_problems_are_told_at_once(kuke: Kuke) -> None:
    write(kuke, "kind: ClientConfiguration\nspec:\n  hots: x\n  logLevel: loud\n")
    err = kuke("get", "realms").err
    assert "hots" in err
    assert "loud" in err


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("kind: ServerConfiguration\nspec:\n  sockt: /x\n", 3, 'did you mean "socket"?'),
        ("kind: ServerConfiguration\nspec:\n  containerd: embeded\n", 3, 'did you mean "embedded"?'),
        ("kind: ServerConfiguration\nspec: {socketGID: many}\n", 2, "socketGID"),
        ("kind: ServerConfiguration\nspec: {reconcileInterval: soon}\n", 2, "reconcileInterval"),
        ("kind: ClientConfiguration\n", 1, "not ServerConfiguration"),
    ],
)
def test_kukeonds_own_file_is_as_strict(kuke: Kuke, tmp_path: Path, text: str, line: int, words: str) -> None:
    path = tmp_path / "kukeond.yaml"
    path.write_text(text)
    result = kuke("daemon", "logs", "--server-configuration", str(path))
    assert (result.code, result.out) == (2, "")
    assert f"{path}:{line}" in result.err
    assert words in result.err
